# ruff: noqa: E501  a CSV row is one line
"""A small OneRoster set, written out so that each test sees what it imports."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.directory.v1 import directory_pb2 as pb
from services.directory import editing, school_fields
from services.directory.domain import EXCLUDED
from services.directory.events import Changer
from services.kit.auth import Caller
from services.kit.clock import utc_now

IMPORTER = Changer("operator", "operator", datetime(2026, 11, 10, 17, 0, tzinfo=UTC))
"""Who imports, at noon."""
ORGS = """sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId,metadata.excludedFromCommunication
d1,,,Lincoln County,district,,,
s1,,,Lincoln High,school,,d1,false
s2,,,Ridge High,school,,d1,true
"""
USERS = """sourcedId,enabledUser,givenName,familyName,identifier,username,email,sms,phone,agentSourcedIds,grades,metadata.profile
amy,true,Amy,Stone,1001,amy.stone,,,,mum,09,
ben,true,Ben,Stone,1002,ben.stone,,,,mum,11,
zoe,true,Zoe,Hill,1003,zoe.hill,,,,dad,10,
mum,true,Rosa,Stone,,rosa.stone,ROSA@Example.org,(212) 555-0101,,,,
dad,false,Karl,Hill,,,not-an-address,123,,,,
tea,true,Tom,Reed,T-1,tom.reed,tom@example.org,,,,,
pri,true,Ida,Cole,A-1,ida.cole,ida@example.org,,,,,
off,true,Ada,North,A-2,ada.north,ada@example.org,,,,,
cou,true,Lee,Marsh,A-3,lee.marsh,lee@example.org,,,,,
"""
ROLES = """sourcedId,userSourcedId,roleType,role,orgSourcedId
1,amy,primary,student,s1
2,ben,primary,student,s1
3,zoe,primary,student,s2
4,mum,primary,guardian,d1
5,dad,primary,guardian,d1
6,tea,primary,teacher,s1
7,pri,primary,principal,s1
8,off,primary,districtAdministrator,d1
9,cou,primary,counselor,s2
"""
MANIFEST = "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\nfile.orgs,bulk\nfile.users,bulk\nfile.roles,bulk\n"


OPERATOR = Caller("operator", frozenset())


async def enable_exclusion(engine: AsyncEngine) -> None:
    """Let the exclusion of schools from communication count, which a new installation does not (statement 224)."""
    field = pb.SchoolField(name=EXCLUDED, is_enabled=True, is_on_school_info=True, version=1)
    await school_fields.update_field(engine, utc_now, OPERATOR, field)


async def switch_module(engine: AsyncEngine, name: str, *, is_on: bool) -> None:
    """Switch a module that the district bought."""
    module = pb.Module(name=name, is_purchased=True, is_enabled=is_on)
    await editing.update_module(engine, utc_now, OPERATOR, module)


def roster(**changed: str) -> dict[str, bytes]:
    """Return the set; a keyword replaces the file of that name, "" leaves it out."""
    files = {"manifest": MANIFEST, "orgs": ORGS, "users": USERS, "roles": ROLES, **changed}
    return {f"{name}.csv": text.encode() for name, text in files.items() if text}
