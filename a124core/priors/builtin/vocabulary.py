"""What prompts say, as data: subjects, verbs of motion and the small words around them; here the English ones.

"jump leap" lists words; "snow_man" is two words. English verbs stand in their base form. In the other languages with
spaces "saut-" is a stem that takes the language's endings. Chinese and Japanese have no spaces: entries are substrings.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Language:
    """Words of one language; each string is a list of words."""

    subjects: dict[str, str]
    motions: dict[str, str]
    other_verbs: str  # without a motion
    hints: dict[str, str] = field(default_factory=dict)  # nouns that suggest a motion
    negations: str = ""
    reversers: str = ""  # "stops": a negation that another negation takes back
    breaks: str = ""  # where a clause, and with it a negation, ends
    subordinators: str = ""  # before a verb that is not the main one
    articles: str = ""  # before a noun: articles, possessives, numbers
    prepositions: str = ""
    adjectives: str = ""
    adverbs: str = ""  # passed over between a verb and its neighbours
    auxiliaries: str = ""  # before an infinitive
    be: str = ""  # before a participle
    compounds: str = ""  # compounds that only contain a word of ours
    finite: str = ""  # endings of stems, by kind of form
    infinitive: str = ""
    participle: str = ""
    noun_endings: str = ""  # of verbs' forms that are nouns behind an article; none: all
    plurals: str = ""  # of nouns


ENGLISH = Language(
    subjects={
        "snowman": "snowman snow_man snowmen frosty",
        "robot": "robot android droid bot",
        "duck": "duck duckling chick bird goose geese",
        "panda": "panda bear teddy",
        "cat": "cat kitten kitty tabby tomcat",
        "penguin": "penguin",
        "rocket": "rocket spaceship shuttle spacecraft missile",
        "flower": "flower daisy sunflower plant blossom",
        "turtle": "turtle tortoise",
        "teapot": "teapot kettle tea_pot pot",
        "frog": "frog toad",
    },
    motions={
        "jump": "jump leap vault pounce hurdle leapfrog",
        "bounce": "bounce hop bob dribble spring skip",
        "sway": "sway bend lean swing wind sag wilt drift blow",
        "spin": "spin rotate turn whirl twirl pirouette revolve orbit circle roll gyrate swirl somersault "
        "cartwheel flip backflip",
        "wave": "wave greet beckon salute hail raise",
        "squash": "squash stretch squeeze breathe pulse pulsate inflate deflate squish press grow throb swell expand "
        "shrink flatten",
        "walk": "walk waddle step march stroll run stride crawl jog stomp wander trot sneak gallop canter amble "
        "saunter "
        "plod shuffle tiptoe sprint hike strut limp scamper scurry creep prowl toddle hobble climb parade",
        "fly": "fly flap float hover soar glide lift launch rise levitate ascend swim flutter swoop",
        "dance": "dance boogie groove party samba waltz tango breakdance play celebrate moonwalk twerk jive prance",
        "nod": "nod bow agree eat peck sing drink talk speak look chew nibble sip sniff graze",
        "twist": "twist wring shake shiver wriggle wiggle writhe swivel tremble squirm shimmy",
        "rock": "rock tip tilt wobble teeter totter seesaw stagger shudder reel sway_over",
        "wag": "wag swish",
    },
    hints={"sway": "wind breeze", "dance": "disco dancer", "wave": "hello bye", "bounce": "bouncy", "fly": "flight"},
    other_verbs="roar bark meow growl purr howl sleep sit stand lie ride drive read write cook sparkle glow "
        "shine "
    "burn melt smile laugh cry weep fight kick throw catch hold carry wear watch listen think dream wink blink clap "
    "crash fall pull push dig paint draw build open close hide wait rest snore yawn sneeze cough explode break fetch "
    "scratch lick bite hunt chase crow quack croak hiss neigh moo bleat rumble whistle hum shout scream kiss hug "
        "type "
    "steam boil smoke pour knit vacuum light flicker bloom blossom toss",
    negations="not never no without cannot neither nor nobody nothing none refuse refuses refused dont doesnt didnt "
    "isnt arent wont cant instead_of rather_than don't doesn't didn't isn't aren't wasn't weren't won't can't "
        "couldn't "
    "shouldn't wouldn't hasn't haven't mustn't",
    reversers="stop stops stopped stopping quit quits cease ceases help avoid avoids",
    breaks="but instead so yet then while ,",
    subordinators="while as when whenever if because before after until since where that which who whose though",
    articles="a an the his her its their my your our this these those some any no every each two three four five six "
    "ten many several both s",
    prepositions="in on at of with from over under into onto through across by for around near like beside between "
    "behind against without about along towards toward above below",
    adjectives="small big little cute tiny large huge happy sad young old red blue green white black yellow wet dry "
    "fat fluffy furry funny lazy giant wooden plastic metal toy baby real cool brave wild tall short long round "
        "quick",
    adverbs="slowly gently just now always often also happily quickly still again really very quite then not never "
    "proudly quietly around joyfully suddenly currently softly wildly only up down away off back home here there by",
    auxiliaries="to do does did can could will would shall should may might must let lets make makes see watch want "
    "don't doesn't didn't can't couldn't won't wouldn't shouldn't mustn't dont doesnt didnt cant wont cannot",
    be="is are was were be been being am s isn't aren't wasn't weren't keeps keep kept starts start started begins "
    "began stop stops stopped isnt arent",
    plurals="s es",
)

IRREGULAR = {
    "fly": "flew "
        "flown", "swing": "swung", "spin": "spun", "run": "ran", "bend": "bent", "leap": "leapt", "blow": "blew "
    "blown", "shake": "shook shaken", "swim": "swam swum", "sing": "sang sung", "eat": "ate "
        "eaten", "spring": "sprang "
    "sprung", "rise": "risen", "stride": "strode", "creep": "crept", "speak": "spoke spoken", "grow": "grew grown",
    "drink": "drank drunk", "lean": "leant", "swivel": "swivelled swivelling", "sit": "sat", "stand": "stood",
    "sleep": "slept", "ride": "rode ridden", "write": "wrote", "fall": "fell", "lie": "lay lying", "fight": "fought",
    "wring": "wrung", "wind": "wound", "dribble": "dribbling",
}
WEAK = frozenset({"look", "play", "raise", "press", "turn", "lift"})  # verbs that give way to another one
