"""Three thousand pods, counted one by one on a film of the namespace: never one too many made, never one too many gone.

The pods are nobody's to schedule, so that nothing but our controllers touches them.
"""

import pytest

from tests.api.film import Film, lives
from tests.api.world import Place, World, until, workload


def count(film: Film) -> int:
    """How many pods live now."""
    return film.course(lives)[-1] if film.frames else 0


@pytest.mark.slow
def test_a_deployment_of_three_thousand(world: World, place: Place) -> None:
    with Film(world.connect, place.path("pods"), metadata_only=True) as film:
        place.create("deployments", workload("web", 3000, spec={"schedulerName": "nobody"}))
        until(lambda: film.count("ADDED") == 3000, 60, lambda: film.count("ADDED"))
        scaled = len(film.frames)
        for size in (100, 400):
            place.scale("web", size)
            until(lambda: count(film) == size, 60, lambda: count(film))  # noqa: B023 - called in its turn
            status = until(lambda: (place.get("deployments", "web") or {})["status"].get("replicas") == size)  # noqa: B023
            assert status
        film.settle()
        course = film.course(lives)
        assert max(course) == 3000
        assert min(course[scaled:]) == 100, "not one too many was deleted"
        assert film.count("ADDED") == 3000 + 300, "and not one made in vain"
        place.api.delete(place.path("deployments", "web") + "?propagationPolicy=Background")
        place.gone("replicasets")
        place.gone("pods")
    assert film.count("ADDED") == film.count("DELETED") == 3300
