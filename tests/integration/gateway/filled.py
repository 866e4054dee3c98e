"""A form as its page renders it: what a browser would post of it when nothing is touched."""

from html.parser import HTMLParser

Fields = dict[str, list[str]]


def filled(page: str, action: str) -> Fields:
    """Return the fields of the last form with this action, as the page fills them in; buttons and files are none."""
    reader = _Reader(action)
    reader.feed(page)
    assert reader.forms, f"no form posts to {action}"
    return reader.forms[-1]


class _Reader(HTMLParser):
    """Collects the fields of the forms that post to one address."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.forms: list[Fields] = []
        self._action, self._is_inside, self._select, self._text = action, False, "", None

    _text: tuple[str, list[str]] | None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_inside = found.get("action") == self._action
            self.forms += [{}] if self._is_inside else []
        elif not self._is_inside:
            return
        elif tag == "select":
            self._select = found.get("name", "")
        elif tag == "option" and "selected" in found:
            self._add(self._select, found.get("value", ""))
        elif tag == "textarea":
            self._text = (found.get("name", ""), [])
        elif tag == "input" and _counts(found):
            self._add(found["name"], found.get("value", "on"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._text:
            name, pieces = self._text
            # A browser drops the line break that a text field begins with.
            self._add(name, "".join(pieces).removeprefix("\n"))
            self._text = None
        elif tag == "form":
            self._is_inside = False

    def handle_data(self, data: str) -> None:
        if self._text:
            self._text[1].append(data)

    def _add(self, name: str, value: str) -> None:
        self.forms[-1].setdefault(name, []).append(value)


def _counts(found: dict[str, str]) -> bool:
    kind = found.get("type", "text")
    is_field = bool(found.get("name")) and kind not in {"file", "submit", "button"} and "disabled" not in found
    return is_field and (kind not in {"checkbox", "radio"} or "checked" in found)
