"""What the list of its recipients adds to a message's description."""

from services.queue.records import REGARDING_SHOWN, TYPE_IMPORTED, Addressees, Message


def describe(message: Message, people: Addressees, before: int, regarding: set[str]) -> None:
    """Note on the message what its next recipients add to its description; `before` came earlier."""
    message.only_recipient_name = people.names[0] if before + people.size == 1 else ""
    if TYPE_IMPORTED in people.types:
        message.recipient_type = TYPE_IMPORTED
    students = zip(people.regarding_student_ids, people.regarding_student_names, people.student_numbers, strict=True)
    for student_id, name, number in students if len(message.regarding) < REGARDING_SHOWN else ():
        if student_id and student_id not in regarding and len(message.regarding) < REGARDING_SHOWN:
            regarding.add(student_id)
            message.regarding.append({"student_id": student_id, "name": name, "number": number})
    regarding.update(filter(None, people.regarding_student_ids))
