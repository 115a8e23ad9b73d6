"""The vocabulary of the invented company: people, places, jobs, phrases.

Surnames are built from syllables, so that no real person is meant; e-mail addresses are at
.example, and phone numbers are from ranges reserved for fiction (Ofcom 07700 900xxx, NANP
555-01xx).
"""

from random import Random

COMPANY = "Quibblewick Airships"
DOMAIN = "quibblewick.example"

FIRST_NAMES = (
    "Aldo", "Bree", "Cosmo", "Dara", "Elmo", "Fenna", "Gusto", "Hedda", "Ismo", "Juno", "Kiri",
    "Lumo", "Mirra", "Nilo", "Orla", "Pim", "Quilla", "Rumo", "Sunna", "Tibo", "Ulla", "Vesta",
    "Wim", "Xenia", "Ylva", "Zeno",
)  # fmt: skip
_STARTS = ("Bram", "Drun", "Fizz", "Gor", "Mump", "Plum", "Quib", "Snor", "Twi", "Vorp", "Wig")
_MIDDLES = ("ber", "ble", "ka", "le", "no", "ter", "za")
_ENDS = ("drake", "drop", "fax", "puddle", "snout", "thorpe", "whistle", "wick")

DEPARTMENTS: dict[str, tuple[str, ...]] = {
    "Envelope": ("Balloon Fitter", "Seam Tester", "Gas Keeper"),
    "Gondola": ("Cabin Carpenter", "Window Setter", "Rope Splicer"),
    "Flight": ("Airship Pilot", "Navigator", "Mooring Chief"),
    "Weather": ("Cloud Analyst", "Wind Forecaster", "Data Engineer"),
    "Galley": ("Teapot Officer", "Pastry Cook", "Menu Planner"),
    "Workshop": ("Propeller Smith", "Clockmaker", "Apprentice"),
    "Passengers": ("Ticket Designer", "Lounge Host", "Support Agent"),
    "Office": ("Accountant", "Recruiter", "Ledger Keeper"),
}
CITIES = (
    ("Nimbusholm", "Sweden"), ("Lower Wobbleton", "United Kingdom"), ("Cirrusvik", "Norway"),
    ("Kumulusbruk", "Sweden"), ("Stratusund", "Denmark"), ("Zephyrstad", "Netherlands"),
    ("Altoville", "Canada"), ("Drizzlemouth", "United Kingdom"), ("Fogberg", "Germany"),
    ("Gustaniemi", "Finland"),
)  # fmt: skip
REGIONS = ("North wind", "South wind", "East wind", "West wind")
DIVISIONS = ("Ships", "Services", "Sundries")
TEAMS = ("Early Birds", "Night Watch", "Ballast", "Tailwind", "Headwind", "Anchors", "Kites")
STAGES = (
    ("Inbox", "Inbox"), ("Screening", "In process"), ("Phone call", "In process"),
    ("Interview", "In process"), ("Offer", "In process"), ("Hired", "Hired"),
)  # fmt: skip
STAGE_TYPES = ("Inbox", "In process", "Hired")
REJECT_REASONS = (
    ("Afraid of heights", True), ("Too little experience", True), ("Another candidate", True),
    ("Position closed", True), ("Salary expectations", False), ("Took another job", False),
    ("Did not answer", False), ("Prefers boats", False),
)  # fmt: skip
FIELDS = (
    ("Notice period", "Text"), ("Work e-mail", "Email"), ("Portfolio", "Url"),
    ("Second phone", "Phone"), ("Available from", "Date"), ("Pilot licence", "Checkbox"),
    ("Hours aloft", "Number"), ("Favourite cloud", "Select"), ("Languages", "MultiSelect"),
    ("Cost centre", "Text"),
)  # fmt: skip
CLOUDS = ("Cumulus", "Cirrus", "Stratus", "Nimbus")
LANGUAGES = ("Swedish", "English", "Dutch", "Semaphore", "Whistling")
QUESTIONS = (
    ("Do you like heights?", "Boolean"), ("Which cloud suits you?", "Choice"),
    ("Why airships?", "Text"), ("How many knots can you tie?", "Range"),
    ("Wave at the camera", "Video"),
)  # fmt: skip
SITES = ("jobboard.example", "clouds.example", "news.example", "friends.example")
TAGS = ("knots", "night shift", "pilot", "tea", "travels", "welder", "winter")
REMARKS = (
    "Calm on the phone, asked good questions.", "Would fit the night watch.",
    "Call again after the holidays.", "Great letter, thin on ropes.", "Knows the valves by heart.",
    "Salary above the range.", "Second interview went well.", "Has a dog & two balloons.",
)  # fmt: skip
TASKS = ("Call back", "Book the interview", "Check references", "Send the offer", "Ask for papers")
FEEDBACK = ("Quick and friendly.", "Too many steps.", "Lovely tea.", "I waited for three weeks.")


def surname(rng: Random) -> str:
    """Return a surname that nobody has."""
    return rng.choice(_STARTS) + rng.choice(_MIDDLES) + rng.choice(_ENDS)


def phone(rng: Random) -> str:
    """Return a number from a range reserved for fiction."""
    if rng.random() < 0.5:
        return f"+447700900{rng.randrange(1000):03}"
    return f"+1{rng.randrange(202, 990)}55501{rng.randrange(100):02}"
