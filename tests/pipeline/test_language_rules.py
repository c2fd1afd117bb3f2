from __future__ import annotations

import json
from importlib import resources

import pytest

from pipeline.backends.language.rules import RulesLanguage
from pipeline.backends.language.sentences import sentence, tidied
from pipeline.backends.language.vocabulary import head_noun, inflections, singular, vocabulary
from pipeline.model.subtask import ActionType

# instruction -> per clause: verb, object, relation, target, source, arm
Row = tuple[str, str, str, str, str, str]
TABLE: list[tuple[str, list[Row]]] = [
    # SPARC / G1
    ("Pick up the yellow bottle on the table.",
     [("pick up", "yellow bottle", "", "", "table", "")]),
    # BridgeData
    ("put eggplant into pot or pan", [("put", "eggplant", "into", "pot or pan", "", "")]),
    ("put the red bottle to the left of the yellow cloth",
     [("put", "red bottle", "to the left of", "yellow cloth", "", "")]),
    ("move the silver pot from the left to the right side of the table",
     [("move", "silver pot", "to", "right side of the table", "left", "")]),
    ("take the broccoli out of the pot and put it in the sink",
     [("put", "broccoli", "in", "sink", "pot", "")]),
    ("Take the spoon out of the pot", [("take out", "spoon", "", "", "pot", "")]),
    ("flip pot upright which is in sink", [("flip", "pot", "", "", "sink", "")]),
    ("put corn in bowl sink", [("put", "corn", "in", "bowl sink", "", "")]),
    ("put the pot on the stove in the sink", [("put", "pot", "in", "sink", "stove", "")]),
    ("put the spoon in the cup on the table", [("put", "spoon", "in", "cup", "", "")]),
    ("Move the yellow cup to the left", [("move", "yellow cup", "to the left", "", "", "")]),
    # DROID
    ("Put the marker in the pot", [("put", "marker", "in", "pot", "", "")]),
    ("Remove the lid from the pot and place it on the table",
     [("put", "lid", "on", "table", "pot", "")]),
    ("Turn on the tap", [("turn on", "tap", "", "", "", "")]),
    ("turn the lamp on", [("turn on", "lamp", "", "", "", "")]),
    ("Pour the water from the cup into the bowl", [("pour", "cup", "into", "bowl", "", "")]),
    ("Use the towel to wipe the table", [("wipe", "towel", "", "table", "", "")]),
    ("Wipe the table with the towel", [("wipe", "towel", "", "table", "", "")]),
    ("Pick up the orange plush toy and place it in the bowl",
     [("put", "orange plush toy", "in", "bowl", "", "")]),
    ("press the red button on the machine", [("press", "red button", "", "", "machine", "")]),
    ("push the button", [("press", "button", "", "", "", "")]),
    ("Hang the towel on the hook", [("hang", "towel", "on", "hook", "", "")]),
    ("Cover the pot with the lid", [("cover", "lid", "", "pot", "", "")]),
    ("take the lid off the pot", [("remove", "lid", "", "", "pot", "")]),
    ("Rotate the knob clockwise", [("turn", "knob", "clockwise", "", "", "")]),
    ("pick the cup up from the table", [("pick up", "cup", "", "", "table", "")]),
    ("Put the mug back on the rack", [("put", "mug", "on", "rack", "", "")]),
    ("Move the pot to the stove and the spoon to the sink",
     [("move", "pot", "to", "stove", "", ""), ("move", "spoon", "to", "sink", "", "")]),
    # LIBERO
    ("open the top drawer of the cabinet and put the bowl in it",
     [("open", "top drawer of the cabinet", "", "", "", ""),
      ("put", "bowl", "in", "top drawer of the cabinet", "", "")]),
    ("turn on the stove and put the moka pot on it",
     [("turn on", "stove", "", "", "", ""), ("put", "moka pot", "on", "stove", "", "")]),
    ("put both the alphabet soup and the tomato sauce in the basket",
     [("put", "alphabet soup", "in", "basket", "", ""),
      ("put", "tomato sauce", "in", "basket", "", "")]),
    ("put both moka pots on the stove", [("put", "moka pots", "on", "stove", "", "")]),
    ("put the black bowl in the bottom drawer of the cabinet and close it",
     [("put", "black bowl", "in", "bottom drawer of the cabinet", "", ""),
      ("close", "bottom drawer of the cabinet", "", "", "", "")]),
    ("put the yellow and white mug in the microwave and close it",
     [("put", "yellow and white mug", "in", "microwave", "", ""),
      ("close", "microwave", "", "", "", "")]),
    ("put the white mug on the plate and put the chocolate pudding to the right of the plate",
     [("put", "white mug", "on", "plate", "", ""),
      ("put", "chocolate pudding", "to the right of", "plate", "", "")]),
    ("pick up the black bowl between the plate and the ramekin and place it on the plate",
     [("put", "black bowl", "on", "plate", "plate and ramekin", "")]),
    ("pick up the black bowl in the top drawer of the wooden cabinet and place it on the plate",
     [("put", "black bowl", "on", "plate", "top drawer of the wooden cabinet", "")]),
    ("pick up the book and place it in the back compartment of the caddy",
     [("put", "book", "in", "back compartment of the caddy", "", "")]),
    ("pick_up_the_milk_and_place_it_in_the_basket", [("put", "milk", "in", "basket", "", "")]),
    ("push the plate to the front of the stove",
     [("push", "plate", "to", "front of the stove", "", "")]),
    ("stack the left bowl on the right bowl and place them in the tray",
     [("stack", "left bowl", "on", "right bowl", "", ""),
      ("put", "left bowl", "in", "tray", "", ""), ("put", "right bowl", "in", "tray", "", "")]),
    # AgiBot
    ("Retrieve cucumber from the shelf.", [("pick up", "cucumber", "", "", "shelf", "")]),
    ("Place the held cucumber into the plastic bag in the shopping cart.",
     [("put", "cucumber", "into", "plastic bag", "", "")]),
    ("The right arm picks up the red apple", [("pick up", "red apple", "", "", "", "right")]),
    ("Grab the toast with your left hand and place it on the plate",
     [("put", "toast", "on", "plate", "", "left")]),
    ("1. Pick up the cup. 2. Place it on the shelf.", [("put", "cup", "on", "shelf", "", "")]),
    # ALOHA
    ("Use the left arm to pick up the cup", [("pick up", "cup", "", "", "", "left")]),
    ("Transfer the cube from the right arm to the left arm",
     [("hand over", "cube", "to", "left arm", "", "right")]),
    ("insert the peg into the socket", [("insert", "peg", "into", "socket", "", "")]),
    ("With the left arm open the drawer and with the right arm put the cup inside",
     [("open", "drawer", "", "", "", "left"), ("put", "cup", "in", "drawer", "", "right")]),
    ("pick up the fork with the left hand and the knife with the right hand",
     [("pick up", "fork", "", "", "", "left"), ("pick up", "knife", "", "", "", "right")]),
    # compound
    ("pick up the red cube and put it in the bowl", [("put", "red cube", "in", "bowl", "", "")]),
    ("Pick up the red cube and place in the bowl", [("put", "red cube", "in", "bowl", "", "")]),
    ("open the top drawer, put the red cup inside, close it",
     [("open", "top drawer", "", "", "", ""), ("put", "red cup", "in", "top drawer", "", ""),
      ("close", "top drawer", "", "", "", "")]),
    ("pick up the can and the box and put them in the bin",
     [("put", "can", "in", "bin", "", ""), ("put", "box", "in", "bin", "", "")]),
    ("Put the apple, the banana and the pear in the basket",
     [("put", "apple", "in", "basket", "", ""), ("put", "banana", "in", "basket", "", ""),
      ("put", "pear", "in", "basket", "", "")]),
    ("Pick up the sponge and wipe the table", [("wipe", "sponge", "", "table", "", "")]),
    ("pick up the bottle and pour water into the cup", [("pour", "bottle", "into", "cup", "", "")]),
    ("Pick up the pot and cover",
     [("pick up", "pot", "", "", "", ""), ("pick up", "cover", "", "", "", "")]),
    ("Put the tape on the box that is next to the laptop", [("put", "tape", "on", "box", "", "")]),
    ("Please put the spoon that is on the table in the sink.",
     [("put", "spoon", "in", "sink", "table", "")]),
    ("Place the red cube on the table, to the left of the green cube",
     [("put", "red cube", "to the left of", "green cube", "", "")]),
    ("Take the cup, put it in the sink, and wash it",
     [("put", "cup", "in", "sink", "", ""), ("wash", "cup", "", "", "", "")]),
    ("Take the lid off the pot, put the carrot inside, and put the lid back on",
     [("remove", "lid", "", "", "pot", ""), ("put", "carrot", "in", "pot", "", ""),
      ("put", "lid", "on", "pot", "", "")]),
    ("Bring me the sponge and then wipe the counter with it",
     [("move", "sponge", "to", "me", "", ""), ("wipe", "sponge", "", "counter", "", "")]),
    ("Pick up the sponge and wipe the counter with it",
     [("wipe", "sponge", "", "counter", "", "")]),
    ("first open the fridge; second, take out the milk; finally close the fridge",
     [("open", "fridge", "", "", "", ""), ("take out", "milk", "", "", "", ""),
      ("close", "fridge", "", "", "", "")]),
    ("Put the banana in the bowl, then the apple in the basket",
     [("put", "banana", "in", "bowl", "", ""), ("put", "apple", "in", "basket", "", "")]),
    ("stack the red block on the blue block, then stack the green block on the red one",
     [("stack", "red block", "on", "blue block", "", ""),
      ("stack", "green block", "on", "red block", "", "")]),
    ("left arm: hold the bowl. right arm: pour rice into the bowl.",
     [("hold", "bowl", "", "", "", "left"), ("pour", "rice", "into", "bowl", "", "right")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rows"), TABLE, ids=[t for t, _ in TABLE])
def test_real_instructions(text: str, rows: list[Row]) -> None:
    parsed = RulesLanguage().parse(text)
    assert [
        (c.verb, c.object_name, c.relation, c.target_name, c.source_name, c.arm)
        for c in parsed.clauses
    ] == rows
    assert parsed.problems == ()


def test_the_table_is_large_enough() -> None:
    assert len(TABLE) >= 40


@pytest.mark.parametrize(
    "text",
    [
        "拿起黄色的瓶子",
        "pick up the 瓶子",
        "Возьми красный куб",
        "Nimm die rote Flasche und stelle sie auf den Tisch",
        "Öffne die Schublade",
        "Hebe die Flasche",
        "Ouvre le tiroir",
        "place la bouteille sur la table",
        "Pon la taza en el plato",
        "blah",
        "episode 17",
        "???",
        "g1 pick bottle",
    ],
)
def test_other_languages_and_noise_are_not_guessed(text: str) -> None:
    parsed = RulesLanguage().parse(text)
    assert parsed.clauses == ()
    assert [p.code for p in parsed.problems] == ["instruction_not_understood"]


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_no_instruction(text: str) -> None:
    parsed = RulesLanguage().parse(text)
    assert parsed.clauses == ()
    assert [p.code for p in parsed.problems] == ["instruction_empty"]


@pytest.mark.parametrize(
    ("text", "colors"),
    [
        ("pick up the grey block", ("gray",)),
        ("pick up the orange", ()),
        ("pick up the orange juice", ()),
        ("pick up the orange cup", ("orange",)),
        ("put the cream cheese in the bowl", ()),
        ("put the yellow and white mug away", ("yellow", "white")),
        ("lift the dark-blue book", ("blue",)),
        ("pick up the lid of the red pot", ()),
    ],
)
def test_colors_belong_to_the_object(text: str, colors: tuple[str, ...]) -> None:
    assert RulesLanguage().parse(text).clauses[0].colors == colors


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("put both moka pots on the stove", 2),
        ("put three blocks in the box", 3),
        ("put all the blue blocks in the tray", 0),
        ("put the cup on the plate", 1),
    ],
)
def test_counts(text: str, count: int) -> None:
    assert RulesLanguage().parse(text).clauses[0].count == count


def test_what_is_left_out_is_said() -> None:
    parsed = RulesLanguage().parse("Pick up the cup. The weather is nice.")
    assert [c.object_name for c in parsed.clauses] == ["cup"]
    (problem,) = parsed.problems
    assert problem.code == "instruction_partly_understood"
    assert "weather" in problem.message


def test_an_action_in_a_remark_is_said() -> None:
    parsed = RulesLanguage().parse("put the apple in the drawer after opening it")
    assert [c.object_name for c in parsed.clauses] == ["apple"]
    assert [p.code for p in parsed.problems] == ["instruction_partly_understood"]
    assert "opening" in parsed.problems[0].message


@pytest.mark.parametrize(
    "text",
    [
        "Öffne die oberste Schublade, lege die rote Tasse hinein und schließe sie",
        "Abre el cajón superior, pon la taza roja dentro y ciérralo",
        "Ouvre le tiroir du haut, mets la tasse rouge dedans et ferme-le",
        "引き出しを開けて、赤いカップを入れて、閉める",
        "hikidashi wo akete",
        "asdf qwer zxcv",
        "blorp the fizzbang onto the quux",
        "lorem ipsum dolor sit amet",
        "123 456",
    ],
)
def test_the_compound_in_other_words_is_never_guessed(text: str) -> None:
    parsed = RulesLanguage().parse(text)
    assert parsed.clauses == ()
    assert [p.code for p in parsed.problems] == ["instruction_not_understood"]


def test_a_tool_that_nobody_names_is_a_finding() -> None:
    parsed = RulesLanguage().parse("wipe the table")
    assert parsed.clauses[0].object_name == ""
    assert parsed.clauses[0].target_name == "table"
    assert [p.code for p in parsed.problems] == ["object_unnamed"]


@pytest.mark.parametrize(("text", "rows"), TABLE, ids=[t for t, _ in TABLE])
def test_sentences_are_understood_again(text: str, rows: list[Row]) -> None:
    for clause in RulesLanguage().parse(text).clauses:
        written = sentence(
            clause.verb,
            clause.object_name,
            clause.relation,
            clause.target_name,
            clause.source_name,
        )
        assert written[0].isupper()
        assert written.endswith(".")
        again = RulesLanguage().parse(written).clauses
        assert [c.verb for c in again] == [clause.verb]
        if clause.verb != "pour":  # “pour from the cup” names the source only
            assert again[0].object_name == clause.object_name


def test_sentences() -> None:
    assert sentence("put", "red cube", "in", "bowl") == "Put the red cube in the bowl."
    assert sentence("wipe", "towel", "", "table") == "Wipe the table with the towel."
    assert sentence("take out", "spoon", "", "", "pot") == "Take the spoon out of the pot."
    assert sentence("", "red object") == "Move the red object."
    assert sentence("caress", "cat", "on", "mat") == "Caress the cat on the mat."
    assert tidied(" pick  up_the cup ") == "Pick up the cup."
    assert tidied("") == ""


def test_vocabulary_is_large_and_consistent() -> None:
    data = json.loads((resources.files("resources") / "vocabulary/verbs.json").read_text("utf-8"))
    names = [e["verb"] for e in data["verbs"]]
    assert len(names) == len(set(names)) >= 30
    phrases = [p for e in data["verbs"] for p in (e["verb"], *e["synonyms"])]
    assert sorted(p for p in set(phrases) if phrases.count(p) > 1) == []
    roles = {"take", "out", "place", "slide", "fixed", "cover", "pour", "tool"}
    assert {e["role"] for e in data["verbs"]} == roles
    assert {v.action for v in vocabulary().verbs} == set(ActionType)


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("pick", ("pick", "picks", "picking", "picked")),
        ("place", ("place", "places", "placing", "placed")),
        ("stop", ("stop", "stops", "stopping", "stopped")),
        ("carry", ("carry", "carries", "carrying", "carried")),
        ("push", ("push", "pushes", "pushing", "pushed")),
        ("open", ("open", "opens", "opening", "opened")),
        ("unplug", ("unplug", "unplugs", "unplugging", "unplugged")),
    ],
)
def test_inflections(verb: str, forms: tuple[str, ...]) -> None:
    assert inflections(verb) == forms


def test_nouns() -> None:
    assert [singular(n) for n in ("pots", "boxes", "berries", "glass", "potatoes")] == [
        "pot", "box", "berry", "glass", "potato",
    ]  # fmt: skip
    assert head_noun("top drawers of the cabinet") == "drawer"
    assert head_noun("") == ""
