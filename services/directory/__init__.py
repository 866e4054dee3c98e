"""Directory: who people are, where they belong, how they are reached, and what they may see.

Owns schools and their fields, people, contacts, relations, classes, profiles with their permissions, and module
switches. Answers `comms.directory.v1.DirectoryService`. Tells directory.school.changed.v1,
directory.person.changed.v1, directory.profile.changed.v1, directory.profile.assigned.v1 and
directory.setting.changed.v1. Consumes nothing.
"""
