"""Publishes a flow with `prefect.storage.Docker` of Prefect 1.4.1: REGISTRY PROGRAM.

The program is what the flow leans on, as a declared file. The base has Prefect in it, as its recipe advises, and the
rest is as delivered: a tag by time, and the image removed from the engine after the push.
"""

import sys

from prefect import Flow, task
from prefect.storage import Docker


@task
def where():
    with open("/etc/debian_version") as file:
        return file.read()


with Flow("flow") as flow:
    where()

flow.storage = Docker(
    registry_url=sys.argv[1],
    image_name="prefect1",
    base_image="flowimage-bench/prefect1",
    local_image=True,
    files={sys.argv[2]: "/opt/flow/flow"},
)
flow.storage.add_flow(flow)
flow.storage.build()
