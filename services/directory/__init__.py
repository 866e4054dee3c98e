"""Directory: who people are, where they belong, how they are reached, and what they may see.

Owns schools, people, contacts, relations, classes, profiles with their permissions, and module switches.
Answers `comms.directory.v1.DirectoryService`. Tells directory.school.changed.v1, directory.person.changed.v1 and
directory.profile.changed.v1. Consumes nothing.
"""
