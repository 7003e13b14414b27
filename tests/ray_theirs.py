"""An application that somebody else runs on the cluster of the tests."""

from ray import serve


@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class Theirs:
    async def __call__(self) -> str:
        return "theirs"


app = Theirs.bind()
