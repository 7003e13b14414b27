"""Many clicks at once, each from a process of its own: forks of this one, which imported everything before.

Standard input: JSON with the store's address and the clicks, each (who, release, op_id, action). Standard output: the
answers, in the order of the clicks.
"""

import json
import os
import sys
from datetime import UTC, datetime

from services.adapters.ops_db import OpsDb
from services.adapters.release_table import ReleaseTable
from services.core.access import Actor, Grant, Role
from services.errors import Refused
from services.releases import actions
from services.releases.desk import Desk, Terms
from services.settings.sections import ApprovalPolicy

ACTIONS = {"approve": actions.approve, "promote": actions.promote}


def answer(url: str, who: str, release: str, op_id: str, action: str) -> str:
    desk = Desk(store=ReleaseTable(OpsDb(url)), terms=Terms(approvals=[ApprovalPolicy()],
                                                            targets={"production": "gateway"}))
    actor = Actor(subject=who, issuer="test", method="demo", label=who, grants=(Grant(role=Role.APPROVER),))
    try:
        done = ACTIONS[action](desk, release, actor=actor, reason="go", op_id=op_id,
                               now=datetime(2026, 3, 4, 13, tzinfo=UTC))
    except Refused as error:
        return json.dumps({"refused": str(error)})
    return json.dumps({name: value for name, value in done.items() if name != "already"}, sort_keys=True)


def main() -> None:
    order = json.loads(sys.stdin.read())
    start_read, start_write = os.pipe()
    ends = []
    for click in order["clicks"]:
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(start_write)
            os.read(start_read, 1)  # returns for all of them when the last writer closes
            try:
                os.write(write, answer(order["url"], *click).encode())
            except BaseException as error:  # noqa: BLE001 -- the test must hear of it
                os.write(write, json.dumps({"died": repr(error)}).encode())
            os._exit(0)
        os.close(write)
        ends.append(read)
    os.close(start_write)
    sys.stdout.write(json.dumps([json.loads(os.fdopen(end).read()) for end in ends]))


main()
