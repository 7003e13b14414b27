"""Under which names an address answers, and to whom."""

import pytest

from services.core.web import answers_to, from_elsewhere, host_names, is_loopback


@pytest.mark.parametrize(("host", "here"), [
    ("localhost", True), ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("0.0.0.0", False),
    ("10.0.0.7", False), ("localhost.evil.example", False), ("127.0.0.1.evil.example", False), ("", False),
])
def test_loopback_is_told_from_what_only_looks_like_it(host, here):
    assert is_loopback(host) is here


def test_listed_names_win_over_loopback_and_without_either_any_name_is_right():
    assert host_names(["Interlock.Example."], "127.0.0.1") == {"interlock.example"}
    assert host_names([], "127.0.0.1") == {"localhost", "127.0.0.1", "::1"}
    assert host_names([], "0.0.0.0") == frozenset()
    assert answers_to(frozenset(), ["whatever.example"])


@pytest.mark.parametrize(("said", "ours"), [
    (["localhost"], True), (["LOCALHOST:8601"], True), (["127.0.0.1:8601"], True), (["[::1]:8601"], True),
    (["localhost."], True), (["evil.example"], False), (["localhost.evil.example"], False), ([""], False), ([], False),
    (["localhost", "evil.example"], False), (["evil.example@localhost"], True), (["[::1"], False),
    (["localhost@evil.example"], False),
])
def test_one_host_header_names_us_and_no_other_does(said, ours):
    assert answers_to(host_names([], "localhost"), said) is ours


@pytest.mark.parametrize(("said", "elsewhere"), [
    ("", False), ("none", False), ("same-origin", False), ("same-site", True), ("cross-site", True), ("what", True),
])
def test_a_browser_that_asks_for_another_site_is_told_from_a_program(said, elsewhere):
    assert from_elsewhere(said) is elsewhere
