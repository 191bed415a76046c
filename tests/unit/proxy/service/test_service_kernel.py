"""Who has changed nftables since we last knew all of it. What the kernel itself does, the packet tests show."""

from understudy.proxy.service.kernel import Generations
from understudy.proxy.service.statements import Family


def test_what_one_family_writes_is_no_news_for_the_other() -> None:
    seen = Generations()
    assert not seen.knows(Family.IPV4, 7)
    for family in Family:
        seen.looked(family, 7)
    seen.wrote(7)
    assert seen.knows(Family.IPV4, 8)
    assert seen.knows(Family.IPV6, 8)


def test_what_others_write_is_news_until_somebody_looks() -> None:
    seen = Generations()
    seen.looked(Family.IPV4, 7)
    seen.wrote(8)  # 8 was somebody else's
    assert not seen.knows(Family.IPV4, 9)
    seen.looked(Family.IPV4, 9)
    assert seen.knows(Family.IPV4, 9)


def test_what_comes_in_between_is_news() -> None:
    seen = Generations()
    seen.looked(Family.IPV4, 7)
    seen.wrote(7)  # and before it took effect, another's
    assert not seen.knows(Family.IPV4, 9)
