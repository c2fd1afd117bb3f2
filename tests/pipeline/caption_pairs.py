"""Pairs of captions with the verdict that a person gives them; those of the publication first."""

from __future__ import annotations

from pipeline.evaluation.caption_rubric import Failure

ACCEPTABLE = (
    ("Put the silver knife into the utensil organizer", "Put the knife into the cutlery tray."),
    ("Retrieve the brown bottle from the ziploc bag", "Remove the bottle from the plastic bag."),
    (
        "Retrieve the brown pack from the white grocery bag",
        "Retrieve a packet of chocolate gelatin from the plastic bag.",
    ),
    (
        "Stack the green gelatin packet on top of the violet packet.",
        "Stack the green gelatin packet on top of the violet packet.",
    ),
    ("Put the headphones on the table", "Put the headphones on the table."),
    ("Screw the new light bulb into the socket", "Insert the lightbulb into the socket."),
    ("Scoop the ice cream from the tub into the cone.", "Scoop the ice cream into the cone."),
    (
        "Stack the green gelatin packet on top of the violet packet.",
        "Stack the packet on top of the purple packet.",
    ),
    ("Put the can into the bag", "Put the can into the bag."),
    ("Adjust the bag", "Adjust the bag."),
    ("Put the red cube in the bowl", "Place the red block into the bowl."),
    ("Open the top drawer", "Open the drawer."),
    ("Open the drawer", "Open the top drawer."),
    ("Wipe the table with the cloth", "Wipe the table with a rag."),
    ("Wipe the table with the cloth", "Wipe the table."),
    ("Wipe the table with the cloth", "Use the cloth to wipe the table."),
    ("Pour the water from the bottle into the cup", "Pour water into the mug."),
    ("Pick up the wooden spoon", "Grab the spoon."),
    ("Put the apple on the plate", "Put the fruit on the plate."),
    ("Put the coke can in the bin", "Put the coke in the trash can."),
    ("Put the cup on the tray", "Put the cup in the tray."),
    ("Put the can next to the box", "Place the can beside the box."),
    ("Pick up the red cube and put it in the bowl", "Put the red cube in the bowl."),
    ("Turn on the lamp", "Turn the lamp on."),
    ("Put the gray cup on the shelf", "Put the silver mug on the shelf."),
    ("Put the cup on the shelf", "Put the green cup on the shelf."),
    ("Pick up the knife from the table", "Pick up the knife."),
    ("Put the pair of scissors in the drawer", "Put the scissors in the drawer."),
    ("Put a slice of bread on the plate", "Put the bread on the plate."),
    ("Move the yellow can to the tray", "Put the yellow can on the tray."),
    ("Put the black and white cup on the table", "Put the white cup on the desk."),
    ("Take the towel off the rack", "Remove the towel from the rack."),
    ("Put the light-blue cup on the plate", "Put the blue cup on the plate."),
    ("Put the red cube in the bowl", "The robot puts the red cube in the bowl with its left arm."),
)
WRONG_VERB = (
    ("Put the silver knife into the utensil organizer", "Pick up the knife from the table."),
    ("Retrieve the brown bottle from the ziploc bag", "Put the bottle into the plastic bag."),
    (
        "Retrieve the brown pack from the white grocery bag",
        "Put the chocolate D'Gari packet into the blue plastic bag.",
    ),
    (
        "Stack the green gelatin packet on top of the violet packet.",
        "Put the green gelatin packet on top of the violet packet.",
    ),
    ("Screw the new light bulb into the socket", "Turn on the lightbulb."),
    ("Stack the blue book on top of the green book", "Put the book on the table."),
    ("Put the can into the bag", "Adjust the bag."),
    ("Open the top drawer", "Close the top drawer."),
    ("Pick up the cup", "Pick up the cup and open the drawer."),
    ("Turn on the lamp", "Turn off the lamp."),
    ("Cover the pot with the lid", "Put the lid on the pot."),
    ("Throw the tissue into the trash can", "Put the tissue into the trash can."),
)
WRONG_THING = (
    (
        "Stack the green gelatin packet on top of the violet packet.",
        "Stack the orange packet on top of the violet packet.",
    ),
    (
        "Stack the green gelatin packet on top of the violet packet.",
        "Stack the green packet on the table.",
    ),
    ("Scoop the ice cream from the tub into the cone.", "Scoop the ice cream into the tub."),
    ("Put the red cube in the bowl", "Place the blue cube into the bowl."),
    ("Put the red cube in the bowl", "Put the red cube on the plate."),
    ("Put the red cube in the bowl", "Put the object in the bowl."),
    ("Put the red cube in the bowl", "Put the red cube."),
    ("Open the top drawer", "Open the bottom drawer."),
    ("Wipe the table with the cloth", "Wipe the table with the sponge."),
    ("Pour the water from the bottle into the cup", "Pour the water from the cup into the bottle."),
    ("Pick up the wooden spoon", "Pick up the metal spoon."),
    ("Pick up the wooden spoon", "Pick up the fork."),
    ("Put the fruit on the plate", "Put the apple on the plate."),
    ("Put the cup in the box", "Put the cup on the box."),
    ("Put the can to the left of the box", "Put the can to the right of the box."),
    ("Slide the box to the right", "Slide the box to the left."),
    ("Put the bottle cap on the table", "Put the bottle on the table."),
    ("Remove the lid from the pot", "Remove the lid."),
    ("Fold the blue towel", "Fold the pink towel."),
    ("Put the orange in the bowl", "Put the orange cup in the bowl."),
)
EGREGIOUS = (
    ("Put the headphones on the table", "Return to Home"),
    ("Put the red cube in the bowl", "Open the drawer."),
    ("Put the red cube in the bowl", ""),
)
PAIRS = (
    *((reference, caption, None) for reference, caption in ACCEPTABLE),
    *((reference, caption, Failure.WRONG_VERB) for reference, caption in WRONG_VERB),
    *((reference, caption, Failure.WRONG_THING) for reference, caption in WRONG_THING),
    *((reference, caption, Failure.EGREGIOUS) for reference, caption in EGREGIOUS),
)
