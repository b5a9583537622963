"""Chinese captions: how a plan is put into words."""

from collections.abc import Sequence
from typing import Literal

from tenku.worlds.captions import chinese_words as words
from tenku.worlds.captions.chinese_words import Noun
from tenku.worlds.captions.dice import Dice
from tenku.worlds.captions.grouping import INVERSE_RELATION, Clause, Group, Plan, Told, ToldKind
from tenku.worlds.captions.teller import Join, Style, Teller
from tenku.worlds.vocabulary import RelationKind

Aspect = Literal["plain", "ongoing", "done"]

_ASPECTS: tuple[Aspect, ...] = ("plain", "plain", "plain", "ongoing", "done")
_STYLES: dict[Style, float] = {"direct": 0.55, "introduced": 0.2, "phrase": 0.15, "tags": 0.1}
_PICTURE_STYLES: dict[Style, float] = {"phrase": 0.8, "tags": 0.2}
_CAN_BE_ONGOING = frozenset({"falls", "bounces", "rolls_in", "slides_in", "spins"})

_CONNECTIVES: dict[Join, tuple[str, ...]] = {
    "then": words.THEN_BETWEEN,
    "together": words.TOGETHER,
    "while": words.WHILE,
    "and": words.AND_BETWEEN,
    "stop": (words.STOP,),
    "stop then": words.STOP_THEN,
}


def tell(shots: Sequence[Plan], dice: Dice) -> str:
    """The caption of one shot, or of several with cuts between them."""
    if len(shots) == 1:
        style = dice.weighted(_PICTURE_STYLES if shots[0].is_picture else _STYLES)
        text = ChineseTeller(shots[0], dice).tell(style)
        return text if style == "tags" else _finish(text, dice)
    teller = ChineseTeller(shots[0], dice, in_cut=True)
    text = teller.tell("direct")
    in_two = len(shots) == 2 and dice.chance(0.12)
    for plan in shots[1:]:
        teller = teller.after_cut(plan)
        frame = words.TWO_SHOTS if in_two else dice.pick(words.CUT)
        text = frame.format(first=text, second=teller.tell("direct"))
    return _finish(text, dice)


def tell_plainly(shots: Sequence[Plan], dice: Dice) -> str:
    """The same with no choice of style: simple full sentences."""
    texts = [ChineseTeller(plan, dice).tell("phrase" if plan.is_picture else "direct") for plan in shots]
    text = texts[0]
    for following in texts[1:]:
        text = words.CUT[0].format(first=text, second=following)
    return _finish(text, dice)


def _finish(text: str, dice: Dice) -> str:
    return text + words.STOP if words.STOP in text or dice.chance(0.6) else text


class ChineseTeller(Teller):
    """Tells one shot in Chinese."""

    stop = words.STOP
    joining = 0.65

    def __init__(self, plan: Plan, dice: Dice, *, in_cut: bool = False) -> None:
        super().__init__(plan, dice, in_cut=in_cut)
        self.aspect: Aspect = dice.pick(_ASPECTS)
        self._is_opened = False
        self._omits_one = dice.chance(0.12)
        self._uses_short_colours = dice.chance(0.45)

    def tell(self, style: Style) -> str:
        """The caption without the last full stop."""
        if not self.plan.groups:
            return self._with_floor_and_camera(words.NOTHING)
        if style == "tags":
            return self._tags()
        if style == "phrase" and self.plan.is_picture:
            return self._with_floor_and_camera(self._picture())
        if style == "phrase" and len(self.plan.clauses) == 1 and self.plan.clauses[0].events:
            clause = self._clause(self.plan.clauses[0])
            return self._with_floor_and_camera(self.dice.pick(words.WHOLE_VIDEO).format(clause=clause))
        if style == "introduced" and self.plan.is_unambiguous:
            return self._with_floor_and_camera(self._introduction())
        prefix = "" if self._in_cut else self.dice.pick(words.PREFIXES)
        self._is_opened = bool(prefix)
        return self._with_floor_and_camera(prefix + self._direct())

    def after_cut(self, plan: Plan) -> "ChineseTeller":
        """Who tells the next shot: with the same words, of new objects."""
        teller = ChineseTeller(plan, self.dice, in_cut=True)
        teller.aspect, teller._lexicon = self.aspect, self._lexicon
        return teller

    # Words

    def _noun(self, group: Group) -> Noun:
        return self._word(words.SHAPES, group.shape)

    def _measure(self, group: Group) -> str:
        noun = self._noun(group)
        place = (id(words.SHAPES), noun)
        if place not in self._lexicon:
            self._lexicon[place] = self.dice.pick(noun.measures)
        return self._lexicon[place]  # type: ignore[return-value]

    # Noun phrases

    def _bare(self, group: Group, *, with_colour: bool = True) -> str:
        """Adjectives and noun: 红色的小橡胶球."""
        noun = self._noun(group).name
        size = "" if group.size is None else words.SIZES[group.size][0]
        if self._uses_short_colours and group.material is None and with_colour:
            return size + words.SHORT_COLOURS[group.colour] + noun
        colour: str = self._word(words.COLOURS, group.colour) if with_colour else ""
        if group.material is None:
            return self._with_size(group, colour, "", noun)
        if with_colour and self.dice.chance(0.12):
            return self._word(words.MADE_OF, group.material) + colour + size + noun
        return self._with_size(group, colour, self._word(words.MATERIALS, group.material), noun)

    def _with_size(self, group: Group, colour: str, material: str, noun: str) -> str:
        if group.size is None:
            of = words.OF if colour and self.dice.chance(0.3) else ""
            return colour + of + material + noun
        size = words.SIZES[group.size][0]
        order = self.dice.pick(("of", "inner", "outer", "of"))
        if order == "of" and colour:
            return colour + words.OF + size + material + noun
        if order == "inner" or not colour:
            return colour + material + size + noun
        return self._word(words.LONG_SIZES, group.size) + colour + material + noun

    def _short(self, group: Group) -> str:
        """Colour and shape only, or the shape only where that is clear."""
        noun = self._noun(group).name
        if self.plan.has_unique_shape(group) and self.dice.chance(0.4):
            return noun
        if self._uses_short_colours:
            return words.SHORT_COLOURS[group.colour] + noun
        colour: str = self._word(words.COLOURS, group.colour)
        return colour + noun

    def _new(self, place: int, modifier: str = "") -> str:
        """A first mention: 一个红球, 两个红球, 另一个红球."""
        group = self.plan.groups[place]
        again = self._is_another(place)
        self._introduced.add(place)
        bare = modifier + self._bare(group)
        if again:
            start = words.ANOTHER if group.count == 1 else words.OTHERS
            return start + words.PLAIN_COUNTS[group.count] + self._measure(group) + bare
        if self._omits_one and group.count == 1 and self.plan.is_unique(group):
            return bare
        if group.count == 2 and self.dice.chance(0.1):
            return words.PAIR + bare
        return self._usual(words.COUNTS[group.count]) + self._measure(group) + bare

    def _known(self, place: int, speaker: int | None = None) -> str:
        """A later mention: 红球, 这个红球; where that is not clear, 另一个红球 or 其中一个红球."""
        group = self.plan.groups[place]
        count = words.PLAIN_COUNTS[group.count] + self._measure(group)
        if self.plan.is_unique(group):
            this = self.dice.pick(words.DETERMINERS)
            return (this + (count if group.count > 1 else count[1:]) if this else "") + self._short(group)
        same_kind = speaker is not None and self.plan.groups[speaker].kind == group.kind
        return (words.ANOTHER if same_kind else words.ONE_OF) + count + self._long_short(group)

    def _long_short(self, group: Group) -> str:
        colour: str = self._word(words.COLOURS, group.colour)
        return colour + self._noun(group).name

    def _mention(self, place: int, speaker: int | None = None) -> str:
        return self._known(place, speaker) if place in self._introduced else self._new(place)

    def _things(self, places: Sequence[int]) -> str:
        if self._can_list_colours(places) and self.dice.chance(0.4):
            return self._listed_colours(places)
        return self._join([self._mention(place) for place in places])

    def _listed_colours(self, places: Sequence[int]) -> str:
        """一红一蓝两个球."""
        groups = [self.plan.groups[place] for place in places]
        self._introduced.update(places)
        colours = "".join(
            words.PLAIN_COUNTS[group.count] + words.SHORT_COLOURS[group.colour] for group in groups
        )
        total = words.PLAIN_COUNTS[sum(group.count for group in groups)]
        return colours + total + self._measure(groups[0]) + self._bare(groups[0], with_colour=False)

    def _join(self, parts: Sequence[str]) -> str:
        if len(parts) == 1:
            return parts[0]
        return words.LIST_COMMA.join(parts[:-1]) + self.dice.pick(words.AND) + parts[-1]

    # Verb phrases

    def _does(self, clause: Clause, events: Sequence[Told], *, aspect: Aspect | None = None) -> str:
        """Verbs in their order: 落下并弹起."""
        aspect = self.aspect if aspect is None else aspect
        ongoing = aspect == "ongoing" and events[0].kind in _CAN_BE_ONGOING
        table = words.DONE if aspect == "done" else words.VERBS
        doings = [self._doing(clause, event, table) for event in events]
        if ongoing:
            doings[0] = words.ONGOING + doings[0]
        if len(doings) == 1:
            return doings[0]
        if len(doings) > 2:
            return words.COMMA.join(doings[:-1]) + self.dice.pick(words.LAST_OF_MANY) + doings[-1]
        simple = ongoing or aspect == "done" or events[0].kind in ("rests", "spins")
        ends = words.THEN_AFTER_ONGOING if simple else words.THEN_WITHIN
        return doings[0] + self.dice.pick(ends) + doings[1]

    def _doing(self, clause: Clause, event: Told, table: dict[ToldKind, tuple[str, ...]]) -> str:
        verb = self._usual(table[event.kind])
        if event.other is not None:
            other = self._mention(event.other, clause.groups[0])
            return words.BY + other + verb if event.kind == "is_hit" else verb + other
        if event.direction is not None:
            return self._usual(words.DIRECTIONS[event.direction]) + verb
        return verb

    # Clauses

    def _clause(self, clause: Clause, where: str = "") -> str:
        """A whole clause, perhaps with a place: 一个红球在一个蓝方块旁边落下."""
        things = self._things(clause.groups)
        if not clause.events:
            if where:
                return things + where
            return self.dice.pick(words.THERE).format(things=things)
        every = self.dice.pick(words.ALL) if self._is_plural(clause.groups) and not where else ""
        return things + where + every + self._does(clause, clause.events)

    def _split_clause(self, clause: Clause) -> str:
        """The first event, then a second sentence about 它."""
        things = self._things(clause.groups)
        first = self._does(clause, clause.events[:1])
        it = words.THEY if self._is_plural(clause.groups) else words.IT
        rest = self._does(clause, clause.events[1:], aspect="plain" if self.aspect == "ongoing" else None)
        return things + first + words.STOP + self.dice.pick(words.THEN_IT).format(it=it) + rest

    def _related_clause(self, clause: Clause, kind: RelationKind, second: int) -> str:
        frame = self.dice.pick(("place", "side", "front", "side"))
        if frame == "side" and clause.events and clause.events[-1].other is None:
            text = self._clause(clause)
            if second in self._introduced:
                return text
            side = self.dice.pick(words.RELATIONS[INVERSE_RELATION[kind]])
            return text + words.COMMA + self._side_is(side, second)
        of = words.OF if self.dice.chance(0.4) else ""
        if frame == "front":
            where = words.AT + self._mention(second) + of + self.dice.pick(words.RELATIONS[kind])
            return where + words.COMMA + self._clause(clause)
        subject = clause.groups[0]
        things = self._mention(subject)
        where = words.AT + self._mention(second, subject) + of + self.dice.pick(words.RELATIONS[kind])
        return things + where + (self._does(clause, clause.events, aspect="plain") if clause.events else "")

    def _side_is(self, side: str, second: int) -> str:
        return self.dice.pick(words.SIDE_IS).format(side=side, thing=self._mention(second))

    # Whole captions

    def _direct(self) -> str:
        """Clause after clause."""
        text = ""
        previous: Clause | None = None
        joined = 0
        told: set[int] = set()
        for position, clause in enumerate(self.plan.clauses):
            if position in told:
                continue
            relation = self._relation_for(clause)
            if relation is not None and self.dice.chance(0.6):
                piece = self._related_clause(clause, *relation)
                told.update(self.plan.waiting_clauses(relation[1], clause))
            elif clause.can_be_split and self.dice.chance(0.12):
                piece = self._split_clause(clause)
            else:
                piece = self._clause(clause)
            if not text:
                piece = self._place_floor(piece)
            if previous is None:
                text = piece
            else:
                join = self._join_of(previous, clause, joined, piece)
                joined = int(join != "stop")
                text += self.dice.pick(_CONNECTIVES[join]) + piece
            previous = clause
            if self.aspect == "ongoing":
                self.aspect = "plain"
        return text

    def _introduction(self) -> str:
        """画面中有一个红球和一个蓝方块。红球落下。"""
        groups = self.dice.shuffled(range(len(self.plan.groups)))
        text = self._place_floor(self.dice.pick(words.OPENINGS).format(things=self._things(groups)))
        for clause in self.plan.clauses:
            if clause.events:
                text += words.STOP + self._clause(clause)
        return text

    def _picture(self) -> str:
        """一张照片，上面有一个红球和一个正在落下的蓝方块."""
        parts = []
        for clause in self.plan.clauses:
            modifier = self.dice.pick(words.FALLING) + words.OF if clause.events else ""
            relation = self._relation_for(clause)
            if not modifier and len(clause.groups) > 1:
                parts.append(self._things(clause.groups))
                continue
            new = [place for place in clause.groups if place not in self._introduced]
            if not new:
                continue
            parts.extend(self._new(place, modifier) for place in new)
            if relation is not None and len(self.plan.groups) == 2 and self.dice.chance(0.5):
                kind, second = relation
                if self.plan.is_merely_there(second):
                    side = self.dice.pick(words.RELATIONS[INVERSE_RELATION[kind]])
                    parts[-1] += words.COMMA + self._side_is(side, second)
        return self.dice.pick(words.PICTURED).format(things=self._join(parts))

    def _tags(self) -> str:
        """红色球，蓝色方块落下，木地板"""
        tags = []
        for clause in self.plan.clauses:
            for place in clause.groups:
                tags.append(self._tag(clause, place))
        tags = self.dice.shuffled(tags)
        if self.plan.floor is not None:
            tags.append(self._usual(words.FLOORS[self.plan.floor]))
        if self.plan.camera is not None and not self.plan.is_picture:
            tags.append(self._usual(words.CAMERA[self.plan.camera]))
        if self.plan.is_picture and self.dice.chance(0.3):
            tags.append(self.dice.pick(words.PICTURE_TAGS))
        return words.COMMA.join(tags)

    def _tag(self, clause: Clause, place: int) -> str:
        group = self.plan.groups[place]
        count = self._usual(words.COUNTS[group.count]) + self._measure(group) if group.count > 1 else ""
        events = [event for event in clause.events if event.other is None]
        if self.plan.is_picture and events:
            return count + self.dice.pick(words.FALLING) + words.OF + self._bare(group)
        doings = self._does(clause, events) if events and self.dice.chance(0.6) else ""
        return count + self._bare(group) + doings

    # Floor and camera

    def _place_floor(self, piece: str) -> str:
        """Begin with the floor, if it is not left for the end."""
        floor = self.plan.floor
        if self._floor_is_told or floor is None or not self.dice.chance(0.6):
            return piece
        self._floor_is_told = True
        name = self._usual(words.FLOORS[floor])
        if piece.startswith(words.THERE[0][0]):
            return words.FLOOR_THERE.format(floor=name) + piece
        return self.dice.pick(words.FLOOR_FRONT).format(floor=name) + piece

    def _with_floor_and_camera(self, text: str) -> str:
        floor, camera = self.plan.floor, self.plan.camera
        if floor is not None and not self._floor_is_told:
            text += words.COMMA if self.dice.chance(0.6) else words.STOP
            text += self.dice.pick(words.FLOOR_SENTENCES[floor])
        if camera is None or self.plan.is_picture:
            return text
        move = self._usual(words.CAMERA[camera])
        if not self._in_cut and not self._is_opened and self.dice.chance(0.25):
            return move + words.COMMA + text
        return text + (words.COMMA if self.dice.chance(0.5) else words.STOP) + move
