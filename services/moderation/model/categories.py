"""The ten categories, in the order of every vector of scores."""

CATEGORIES = (
    "toxicity",
    "severe_toxicity",
    "profanity",
    "insult",
    "discrimination",
    "threat",
    "self_harm",
    "self_harm_intent",
    "self_harm_direction",
    "violence",
)
DANGER = ("threat", "self_harm", "self_harm_intent", "self_harm_direction", "violence")
DANGER_COLUMNS = [CATEGORIES.index(name) for name in DANGER]
