from datetime import timedelta

from console.widgets.live import AT_LEAST, due

FRESH = timedelta(seconds=20)


def test_news_and_age_draw_a_page_again_unless_it_is_paused():
    assert due(live=True, news=True, dusk=False, age=FRESH)
    assert due(live=True, news=False, dusk=False, age=AT_LEAST + FRESH)
    assert not due(live=True, news=False, dusk=False, age=FRESH)
    assert not due(live=False, news=True, dusk=False, age=AT_LEAST + FRESH)


def test_a_change_of_the_theme_is_drawn_even_while_paused():
    assert due(live=False, news=False, dusk=True, age=FRESH)
