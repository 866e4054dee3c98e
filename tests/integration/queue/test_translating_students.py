"""What students write, translated: judged first as it is, then in each language, and released when all are clean."""

from datetime import timedelta
from typing import Any

import pytest

from protos.events.v1 import moderation_pb2
from protos.events.v1 import queue_pb2 as events
from protos.types.v1 import types_pb2 as types
from services.kit.handling import Event
from services.kit.ids import new_id
from services.queue import events_out
from services.queue.actions import reading, rescreening
from services.queue.actions.answering import Answering, Who
from services.queue.actions.submit import Submitted
from services.queue.domain import Channel
from services.queue.events import on_verdict
from services.queue.store.deliveries import Seen
from services.queue.surveys import Option, Question, Survey
from tests.integration.queue.conftest import PUPIL, Queue, draft
from tests.integration.queue.from_directory import told
from tests.integration.queue.test_releasing import review
from tests.integration.queue.test_rescreening import period
from tests.integration.queue.test_resending_elsewhere import again
from tests.integration.queue.test_translating import (
    CLOSED,
    CREOLE,
    PAGE,
    SERVICE,
    SPANISH,
    Translator,
    family,
    stages,
    texts,
    translator,
)
from tests.support.vendors import VendorSimulator

__all__ = ["translator"]


async def verdict(queue: Queue, done: Submitted, decision: Any, language: str = "", run: str = "") -> None:
    reached = moderation_pb2.VerdictReached(event_id=new_id(), translated_into=language, rescreening_id=run)
    reached.verdict.message_id, reached.verdict.decision = done.snapshot.message.message_id, decision
    await on_verdict(queue.engine, queue.clock, Event("v", reached.event_id, reached.SerializeToString(), 1))


async def screening(queue: Queue, state: str) -> bool:
    rows = await queue.rows("SELECT 1 FROM messages WHERE screening = :state", state=state)
    return len(rows) == 1


@pytest.mark.accepts(163, 168)
@pytest.mark.parametrize("held", ["es", "ht", ""])
async def test_a_period_that_is_judged_again_reads_each_translation(
    queue: Queue, translator: Translator, vendors: VendorSimulator, held: str
) -> None:
    message = draft(
        body=CLOSED, is_translated=True, sender=PUPIL, channels=[("email", ""), ("sms", "Short."), ("push", "No.")]
    )
    done = await queue.submit(message, family("es", "en", "ht"), screened=True)
    await verdict(queue, done, types.Verdict.DECISION_CLEAN)
    await translator().step()
    for language in ("es", "ht"):
        await verdict(queue, done, types.Verdict.DECISION_CLEAN, language)
    run = period(queue)
    await rescreening.begin(queue.engine, run)
    await queue.judge_next()
    judged = ["", "es", "ht"][: ["", "es", "ht"].index(held) + 1] if held else ["", "es", "ht"]
    for language in judged:
        (found,) = await rescreening.latest(queue.engine)
        assert (found.asked, found.judged) == (1, 0)
        decision = types.Verdict.DECISION_HOLD if held == language and held else types.Verdict.DECISION_CLEAN
        await verdict(queue, done, decision, language, run.rescreening_id)
    questions = await queue.event(events_out.RESCREENING_REQUESTED, events.ScreeningRequested)
    assert [(each.translated_into, each.language) for each in questions] == [(each, each or "en") for each in judged]
    assert {each.rescreening_id for each in questions} == {run.rescreening_id}
    for said, tag in zip(questions[1:], ("[es] ", "[ht] "), strict=False):
        assert list(said.texts[:2]) == [f"{tag}Picture day", {"[es] ": SPANISH, "[ht] ": CREOLE}[tag]]
        assert set(said.texts[2:]) == {f"{tag}Short.", f"{tag}No."}
    (found,) = await rescreening.latest(queue.engine)
    assert (found.asked, found.judged, found.withheld) == (1, 1, bool(held))
    assert await screening(queue, "withheld" if held else "released")
    told = await queue.event(events_out.WITHHELD, events.MessageWithheld)
    said = [each.verdict.explanation.partition(":")[0] for each in told]
    assert said == ([f"In its translation ({held})"] if held else [])
    assert len(await queue.rows("SELECT 1 FROM inbox_items")) == (0 if held else 3)


@pytest.mark.accepts(163)
async def test_a_poll_asks_in_the_recipients_language_by_e_mail_and_where_it_is_answered(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    survey = Survey(
        Channel.POLL, [Question("Which evening?", [Option("Tuesday"), Option("Friday")])], queue.clock() + timedelta(2)
    )
    message = draft(is_translated=True, channels=[("poll", "")], survey=survey, sender=PUPIL)
    done = await queue.submit(message, family("es", "en"), screened=True)
    await verdict(queue, done, types.Verdict.DECISION_CLEAN)
    await translator().step()
    _, about = await queue.event(events_out.SCREENING_REQUESTED, events.ScreeningRequested)
    assert {"[es] Which evening?", "[es] Tuesday", "[es] Friday"} <= set(about.texts)
    await verdict(queue, done, types.Verdict.DECISION_CLEAN, "es")
    await queue.drain(queue.dispatcher())
    mail = next(each for each in texts(vendors, "email") if each.startswith("[es]"))
    assert mail.startswith(
        "[es] Picture day is on Friday.\n\n1. [es] Which evening?\n   - [es] Tuesday\n   - [es] Friday\n\n"
        "Su respuesta sobre Child 1:\nhttps://lantern.example.org/answer/"
    )
    assert "\n\nPuede cambiarla hasta el " in mail
    answering = Answering(queue.engine, queue.clock, None)
    entry_id = done.snapshot.entries[0].entry_id
    for number, tag in ((1, "[es] "), (2, "")):
        form = await answering.answer(SERVICE, Who(entry_id=entry_id, number=number), [2])
        (question,) = form.asked.survey.questions
        assert (question.text, question.options[1].text) == (f"{tag}Which evening?", f"{tag}Friday")
        assert (form.asked.subject, list(form.chosen)) == (f"{tag}Picture day", [2])


@pytest.mark.accepts(161, 163)
async def test_a_students_message_is_translated_once_it_is_clean_and_leaves_once_every_translation_is(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    sent = draft(sender=PUPIL, body=CLOSED, is_translated=True)
    done = await queue.submit(sent, family("en", "es", "ht"), screened=True)
    translating, dispatcher = translator(), queue.dispatcher()
    assert await translating.step() == 0
    await verdict(queue, done, types.Verdict.DECISION_CLEAN)
    assert await queue.drain(dispatcher) == 0
    assert await translating.step() == 2
    asked = await queue.event(events_out.SCREENING_REQUESTED, events.ScreeningRequested)
    assert asked[0].translated_into == ""
    about = {each.translated_into: list(each.texts) for each in asked[1:]}
    assert about == {"es": ["[es] Picture day", SPANISH], "ht": ["[ht] Picture day", CREOLE]}
    await verdict(queue, done, types.Verdict.DECISION_WATCH, "es")
    assert await screening(queue, "waiting")
    assert await queue.drain(dispatcher) == 0
    assert await queue.rows("SELECT 1 FROM inbox_items") == []
    await verdict(queue, done, types.Verdict.DECISION_CLEAN, "ht")
    await queue.drain(dispatcher)
    assert texts(vendors, "email") == sorted([CREOLE, SPANISH, CLOSED])
    assert len(await queue.event(events_out.RELEASED, events.MessageReleased)) == 1


@pytest.mark.accepts(161, 163)
async def test_late_verdicts_leave_time_to_translate_and_to_deliver(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    done = await queue.submit(draft(sender=PUPIL, body=CLOSED, is_translated=True), family("es"), screened=True)
    queue.clock.ahead = timedelta(hours=73)
    await verdict(queue, done, types.Verdict.DECISION_CLEAN)
    assert await translator().step() == 1
    queue.clock.ahead += timedelta(hours=73)
    await verdict(queue, done, types.Verdict.DECISION_CLEAN, "es")
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "email") == [SPANISH]


@pytest.mark.accepts(161, 163)
async def test_a_translation_that_screening_holds_withholds_the_message(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    sent = draft(sender=PUPIL, body=CLOSED, is_translated=True)
    done = await queue.submit(sent, family("en", "es"), screened=True)
    await verdict(queue, done, types.Verdict.DECISION_CLEAN)
    await translator().step()
    await verdict(queue, done, types.Verdict.DECISION_HOLD, "es")
    assert await queue.drain(queue.dispatcher()) == 0
    assert await screening(queue, "withheld")
    rows, _ = await reading.deliveries_of(queue.engine, SERVICE, done.snapshot.entries[0].entry_id, Seen(None), PAGE)
    assert len(rows) == 2
    assert not any({"text", "subject", "original_text", "original_subject"} & row.keys() for row in rows)
    (told,) = await queue.event(events_out.WITHHELD, events.MessageWithheld)
    assert told.verdict.explanation.startswith("In its translation (es): ")
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 2, "withheld": 2}
    await review(queue, done.snapshot.message.message_id)
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "email") == [SPANISH, CLOSED]


async def test_a_withheld_message_is_translated_when_a_reviewer_releases_it(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    done = await queue.submit(draft(sender=PUPIL, body=CLOSED, is_translated=True), family("es"), screened=True)
    await verdict(queue, done, types.Verdict.DECISION_HOLD)
    translating, dispatcher = translator(), queue.dispatcher()
    assert await translating.step() == 0
    queue.clock.ahead += timedelta(days=1)
    released_at = queue.clock()
    await review(queue, done.snapshot.message.message_id)
    assert await queue.drain(dispatcher) == 0
    assert await translating.step() == 1
    assert await queue.rows("SELECT min(due_at) >= :at FROM batches", at=released_at) == [(True,)]
    await queue.drain(dispatcher)
    assert texts(vendors, "email") == [SPANISH]


@pytest.mark.accepts(161)
async def test_a_students_message_leaves_as_it_was_written_when_nobody_translates_it(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    vendors.modes(translate={"mode": "500"})
    done = await queue.submit(draft(sender=PUPIL, body=CLOSED, is_translated=True), family("es"), screened=True)
    await verdict(queue, done, types.Verdict.DECISION_CLEAN)
    translating, dispatcher = translator(), queue.dispatcher()
    await translating.step()
    assert await queue.drain(dispatcher) == 0
    queue.clock.ahead = timedelta(minutes=1)
    await translating.step()
    await queue.drain(dispatcher)
    assert texts(vendors, "email") == [CLOSED]


@pytest.mark.accepts(161, 163)
async def test_it_is_sent_again_in_the_languages_that_were_judged_alone(
    queue: Queue, translator: Translator, vendors: VendorSimulator
) -> None:
    (ann,) = family("es")
    sent = draft(sender=PUPIL, body=CLOSED, is_translated=True)
    done = await queue.submit(sent, [ann._replace(email="", invalid_email="x", has_account=False)], screened=True)
    await verdict(queue, done, types.Verdict.DECISION_CLEAN)
    await translator().step()
    await verdict(queue, done, types.Verdict.DECISION_CLEAN, "es")
    await queue.drain(queue.dispatcher())
    await again(queue, done, Channel.SMS, told(ann._replace(language="ht")))
    assert await translator().step() == 0
    await queue.drain(queue.dispatcher())
    assert texts(vendors, "sms") == [SPANISH]
    assert set(await stages(queue)) == {"es"}
