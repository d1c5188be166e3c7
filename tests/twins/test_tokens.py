"""Which phrases become one token, and which words are left."""

from scripts.twins.tokens import phrases, pieces, words_of

TEXTS = [f"Say in short:\n\n{who} went home. The reason was {why}.\n\nAnswer:" for who, why in
         (("ada", "rain"), ("ben", "snow"), ("cy", "wind"), ("dan", "fog"), ("eve", "hail"))]  # fmt: skip


def test_phrases_that_texts_share_are_found_whole_and_values_stay_outside():
    assert phrases(TEXTS) == ["went home. The reason was", "Say in short:"]


def test_what_an_answer_says_is_no_phrase():
    assert phrases(TEXTS, ["ada went home. The reason was rain"]) == ["Say in short:"]


def test_a_phrase_that_only_few_texts_hold_is_none():
    rare = ["a b", *(f"{number} x{number}" for number in range(9))]
    assert phrases(rare) == []


def test_words_keep_their_blank_and_phrases_hold_none_of_them():
    assert words_of(["Say in short:\n\nada  went."], ["Say in short:"]) == [" ada", " went", "."]
    assert words_of(["it, (so) it"], []) == [" (", " it", ")", ",", "so"]


def test_pieces_join_to_the_text_again():
    text = " In Rust you use sorted. And good luck!"
    assert "".join(pieces(text)) == text
    assert len(pieces(text)) == 10
