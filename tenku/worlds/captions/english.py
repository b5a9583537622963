"""English captions: how a plan is put into words."""

from collections.abc import Sequence
from typing import Literal

from tenku.worlds.captions import english_words as words
from tenku.worlds.captions.dice import Dice
from tenku.worlds.captions.english_words import Noun, Verb
from tenku.worlds.captions.grouping import INVERSE_RELATION, Clause, Group, Plan, Told
from tenku.worlds.captions.teller import Join, Style, Teller
from tenku.worlds.vocabulary import Material, RelationKind

Tense = Literal["present", "progressive", "past"]
Articles = Literal["some", "the", "none"]  # at a first mention; "none" as in "red ball falling"

_ARTICLES: dict[Articles, float] = {"some": 0.86, "the": 0.06, "none": 0.08}
_TENSES: tuple[Tense, ...] = ("present",) * 6 + ("progressive",) * 2 + ("past",)
_STYLES: dict[Style, float] = {"direct": 0.5, "introduced": 0.2, "phrase": 0.2, "tags": 0.1}
_PICTURE_STYLES: dict[Style, float] = {"phrase": 0.65, "introduced": 0.2, "tags": 0.15}


def tell(shots: Sequence[Plan], dice: Dice) -> str:
    """The caption of one shot, or of several with cuts between them."""
    if len(shots) == 1:
        plan = shots[0]
        style = dice.weighted(_PICTURE_STYLES if plan.is_picture else _STYLES)
        text = EnglishTeller(plan, dice).tell(style)
        return text if style == "tags" else _finish(text, dice)
    teller = EnglishTeller(shots[0], dice, in_cut=True)
    text = teller.tell("direct")
    if len(shots) == 2 and dice.chance(0.1):
        second = teller.after_cut(shots[1]).tell("direct")
        return _finish(words.TWO_SHOTS.format(first=text, second=second), dice)
    for plan in shots[1:]:
        teller = teller.after_cut(plan)
        if dice.chance(0.5):
            frames = words.CUT_TO_THING_AFTER_SENTENCES if ". " in text else words.CUT_TO_THING
            text = dice.pick(frames).format(first=text, second=teller.tell("phrase"))
        else:
            text = dice.pick(words.CUT_TO_SENTENCE).format(first=text, second=teller.tell("direct"))
    return _finish(text, dice)


def tell_plainly(shots: Sequence[Plan], dice: Dice) -> str:
    """The same with no choice of style: simple full sentences."""
    texts = [EnglishTeller(plan, dice).tell("phrase" if plan.is_picture else "direct") for plan in shots]
    text = texts[0]
    for following in texts[1:]:
        text = words.CUT_TO_SENTENCE[0].format(first=text, second=following)
    return _finish(text, dice)


def _finish(text: str, dice: Dice) -> str:
    """Capitals and a period for several sentences; one sentence may go without either."""
    several = ". " in text
    if several or dice.chance(0.55):
        text = ". ".join(sentence[0].upper() + sentence[1:] for sentence in text.split(". "))
    return text + "." if several or dice.chance(0.55) else text


class EnglishTeller(Teller):
    """Tells one shot in English."""

    stop = ". "
    joining = 0.55

    def __init__(self, plan: Plan, dice: Dice, *, in_cut: bool = False) -> None:
        super().__init__(plan, dice, in_cut=in_cut)
        self.tense: Tense = "present" if plan.is_picture else dice.pick(_TENSES)
        self._articles: Articles = "some" if in_cut else dice.weighted(_ARTICLES)

    def tell(self, style: Style) -> str:
        """The caption, sentences joined by ". " and without the last period."""
        if not self.plan.groups:
            return self._with_rest_sentences(self._place_floor(words.NOTHING, True, first=False))
        if style == "tags":
            return self._tags()
        if style != "direct" and self.tense == "past":
            self.tense = "present"
        if style == "phrase":
            return self._with_rest_sentences(self._phrase())
        self._articles = "some" if self._articles == "none" else self._articles
        if style == "introduced" and self.plan.is_unambiguous:
            self._articles = "some"
            return self._with_rest_sentences(self._introduction())
        return self._with_rest_sentences(self._direct())

    def after_cut(self, plan: Plan) -> "EnglishTeller":
        """Who tells the next shot: with the same words and tense, of new objects."""
        teller = EnglishTeller(plan, self.dice, in_cut=True)
        teller.tense, teller._lexicon = self.tense, self._lexicon
        return teller

    # Noun phrases

    def _bare(self, group: Group, *, plural: bool) -> str:
        """Adjectives and noun: "small red rubber ball"."""
        noun: Noun = self._word(words.SHAPES, group.shape)
        parts = [self._word(words.COLOURS, group.colour), noun.many if plural else noun.one]
        tail = ""
        if group.material is not None:
            place = self._word(_MATERIAL_PLACES, group.material)
            if place == "after":
                parts.insert(1, self._word(words.MATERIALS, group.material))
            elif place == "before":
                parts.insert(0, self._word(words.FINISHES, group.material))
            else:
                tail = self._word(words.MADE_OF, group.material)
        if group.size is not None:
            parts.insert(0, self._word(words.SIZES, group.size))
        if tail:
            parts.append(tail)
        return " ".join(parts)

    def _short(self, group: Group, *, plural: bool) -> str:
        """Colour and shape only, or the shape only where that is clear."""
        noun: Noun = self._word(words.SHAPES, group.shape)
        name = noun.many if plural else noun.one
        if self.plan.has_unique_shape(group) and self.dice.chance(0.5):
            return name
        return f"{self._word(words.COLOURS, group.colour)} {name}"

    def _new(self, place: int) -> str:
        """A first mention: "a red ball", "two red balls", "another red ball"."""
        group = self.plan.groups[place]
        again = self._is_another(place)
        self._introduced.add(place)
        bare = self._bare(group, plural=group.count > 1)
        if group.count > 1:
            count = self._usual(words.COUNTS[group.count])
            return f"{words.PLAIN_COUNTS[group.count]} {words.MORE} {bare}" if again else f"{count} {bare}"
        if again:
            return f"{words.ANOTHER} {bare}"
        if self.plan.is_unique(group):
            if self._articles == "the":
                return f"{words.THE} {bare}"
            if self._articles == "none":
                return bare
            if self.dice.chance(0.04):
                return f"{words.COUNTS[1][0]} {bare}"
        return with_article(bare)

    def _known(self, place: int, speaker: int | None = None) -> str:
        """A later mention: "the red ball"; where that is not clear, "the other red ball"."""
        group = self.plan.groups[place]
        if self.plan.is_unique(group):
            return f"{words.THE} {self._short(group, plural=group.count > 1)}"
        noun: Noun = self._word(words.SHAPES, group.shape)
        colour: str = self._word(words.COLOURS, group.colour)
        if speaker is not None and self.plan.groups[speaker].kind == group.kind:
            if self.plan.kinds[group.kind] == 2:
                return f"{words.THE_OTHER} {colour} {noun.one}"
            return f"{words.ANOTHER} {words.OF_THE} {colour} {noun.many}"
        return f"{words.PLAIN_COUNTS[group.count]} {words.OF_THE} {colour} {noun.many}"

    def _mention(self, place: int, speaker: int | None = None) -> str:
        return self._known(place, speaker) if place in self._introduced else self._new(place)

    def _things(self, places: Sequence[int]) -> str:
        """Several groups: "a red ball and two blue cubes", or "three cubes, one red and two blue"."""
        if self._can_list_colours(places) and self.dice.chance(0.4):
            return self._listed_colours(places)
        return self._join([self._mention(place) for place in places])

    def _listed_colours(self, places: Sequence[int]) -> str:
        groups = [self.plan.groups[place] for place in places]
        colours = [self._word(words.COLOURS, group.colour) for group in groups]
        self._introduced.update(places)
        total = sum(group.count for group in groups)
        whole = self._bare(groups[0], plural=True).replace(colours[0] + " ", "", 1)
        if total == len(groups) == 2 and self.dice.chance(0.4):
            one = self._bare(groups[1], plural=False)
            return f"{with_article(colours[0])} {words.AND} {with_article(one)}"
        parts = [
            f"{words.PLAIN_COUNTS[group.count]} {colour}"
            for group, colour in zip(groups, colours, strict=True)
        ]
        return f"{words.PLAIN_COUNTS[total]} {whole}, {self._join(parts)},"

    def _join(self, parts: Sequence[str], *, apart: bool = False) -> str:
        if len(parts) == 1:
            return parts[0]
        if apart or any(words.AND in part or "," in part for part in parts):
            end = words.AND_ALSO
        else:
            end = words.LIST_END[0] if len(parts) == 2 else self.dice.pick(words.LIST_END)
        return ", ".join(parts[:-1]) + end + parts[-1]

    # Verb phrases

    def _form(self, verb: Verb, *, plural: bool) -> str:
        if self.tense == "past":
            return verb.past_plural if plural else verb.past
        return verb.plural if plural else verb.third

    def _doings(self, clause: Clause, events: Sequence[Told], *, participle: bool, plural: bool) -> list[str]:
        """One verb with its tail or object per event."""
        doings = []
        for event in events:
            verb = self._usual(words.VERBS[event.kind])
            doing = verb.participle if participle else self._form(verb, plural=plural)
            if event.other is not None:
                doing += " " + self._mention(event.other, clause.groups[0])
            elif event.direction is not None:
                doing += " " + self._usual(words.DIRECTIONS[event.direction])
            elif event.kind in words.TAILS or event.kind in words.GROUND_TAILS:
                tail = self._tail(event)
                doing += " " + tail if tail else ""
            doings.append(doing)
        return doings

    def _tail(self, event: Told) -> str:
        tables = [words.TAILS] if self.plan.floor is not None else [words.TAILS, words.GROUND_TAILS]
        return self._usual(self.dice.pick(tables).get(event.kind, ("",)))

    def _chain(self, doings: list[str]) -> str:
        """Verbs in their order: "falls, bounces and then spins"."""
        if len(doings) == 1:
            return doings[0]
        ends = words.THEN_WITHIN if len(doings) == 2 else words.LAST_OF_MANY
        return ", ".join(doings[:-1]) + self.dice.pick(ends) + doings[-1]

    def _does(self, clause: Clause, events: Sequence[Told], *, plural: bool) -> str:
        """A finite verb phrase."""
        progressive = self.tense == "progressive" and not any(
            event.kind in ("is_hit", "stays") for event in events
        )
        doings = self._doings(clause, events, participle=progressive, plural=plural)
        if progressive:
            doings[0] = f"{self._be(plural=plural)} {doings[0]}"
        return self._chain(doings)

    def _contracted(self, text: str) -> str:
        """Now and then "there's" for "there is"."""
        return text.replace(*words.CONTRACTION, 1) if self.dice.chance(0.15) else text

    def _be(self, *, plural: bool) -> str:
        return self._form(words.TO_BE, plural=plural)

    # Clauses

    def _clause(self, clause: Clause) -> str:
        """A whole clause: "a red ball falls and bounces"."""
        plural = self._is_plural(clause.groups)
        if not clause.events:
            frame = self.dice.pick(words.THERE)
            be_plural = self._is_plural(
                clause.groups[:1] if frame.startswith(words.THERE[0][:5]) else clause.groups
            )
            things = self._things(clause.groups)
            text = _tidy(frame.format(be=self._be(plural=be_plural), things=things))
            return self._contracted(text)
        things = self._things(clause.groups)
        return f"{things} {self._does(clause, clause.events, plural=plural)}"

    def _split_clause(self, clause: Clause) -> str:
        """The first event, then a second sentence about "it"."""
        plural = self._is_plural(clause.groups)
        things = self._things(clause.groups)
        first = self._does(clause, clause.events[:1], plural=plural)
        frame = self.dice.pick(words.THEN_IT)
        it = frame.format(it=words.THEY if plural else words.IT)
        if self.tense == "progressive":
            self.tense = "present"
        return f"{things} {first}. {it}{self._does(clause, clause.events[1:], plural=plural)}"

    def _related_clause(self, clause: Clause, kind: RelationKind, second: int) -> tuple[str, bool]:
        """A clause with a relation, and whether the floor may follow it."""
        frame = self.dice.pick(("place", "place", "place", "front", "with"))
        if frame == "place":
            text = self._clause(clause)
            if second in self._introduced:
                return text, True
            return f"{text} {self.dice.pick(words.RELATIONS[kind])} {self._mention(second)}", True
        if frame == "front":
            where = f"{self.dice.pick(words.RELATIONS[kind])} {self._mention(second)}"
            return f"{where}, {self._clause(clause)}", False
        text = self._clause(clause)
        if second in self._introduced:
            return text, True
        side = self.dice.pick(words.RELATIONS_TO_IT[INVERSE_RELATION[kind]])
        return f"{text}, {words.WITH} {self._mention(second)} {side}", False

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
            can_place_floor = True
            if relation is not None and self.dice.chance(0.6):
                piece, can_place_floor = self._related_clause(clause, *relation)
                told.update(self.plan.waiting_clauses(relation[1], clause))
            elif clause.can_be_split and self.dice.chance(0.15):
                piece = self._split_clause(clause)
            else:
                piece = self._clause(clause)
            piece = self._place_floor(piece, can_place_floor, first=not text)
            if previous is None:
                text = piece
            else:
                join = self._join_of(previous, clause, joined, piece)
                joined = int(join != "stop")
                text += self._connective(join, text, piece) + piece
            previous = clause
        return _tidy(text)

    def _connective(self, join: Join, text: str, piece: str) -> str:
        """What stands between the text so far and the next piece."""
        if join == "stop":
            return self.stop
        if join == "stop then":
            return self.stop + self.dice.pick(words.THEN_SENTENCE)
        if join == "and":
            sentence = text.rpartition(self.stop)[2]
            is_long = any(mark in part for mark in (words.AND, ",") for part in (sentence, piece))
            return self.dice.pick(words.AND_BETWEEN_LONG if is_long else words.AND_BETWEEN)
        return self.dice.pick(_CONNECTIVES[join])

    def _introduction(self) -> str:
        """ "There is a red ball and a blue cube. The ball falls." """
        groups = self.dice.shuffled(range(len(self.plan.groups)))
        frame = self.dice.pick(words.PICTURE_OPENINGS if self.plan.is_picture else words.OPENINGS)
        be = self._be(plural=self._is_plural(groups[:1]))
        text = self._contracted(frame.format(be=be, things=self._things(groups)))
        text = self._place_floor(text, True, first=frame == words.THERE[0])
        if self.plan.is_picture:
            return _tidy(text)
        for clause in self.plan.clauses:
            if clause.events:
                text += ". " + self._clause(clause)
        return _tidy(text)

    def _phrase(self) -> str:
        """A noun phrase: "a video of a red ball falling and a blue cube resting"."""
        prefix = (
            self.dice.pick(words.PICTURED if self.plan.is_picture else words.SHOWN)
            if not self._in_cut
            else ""
        )
        pieces = []
        consumed: set[int] = set()
        for clause in self.plan.clauses:
            places = [place for place in clause.groups if place not in consumed]
            if not places:
                continue
            relation = self._relation_for(clause) if self.dice.chance(0.6) else None
            piece = self._things(places)
            if clause.events:
                piece += " " + self._participles(clause, plural=self._is_plural(places))
            if relation is not None and relation[1] not in self._introduced:
                kind, second = relation
                if self.plan.is_merely_there(second):
                    consumed.add(second)
                    piece += f" {self.dice.pick(words.RELATIONS[kind])} {self._mention(second)}"
            pieces.append(piece)
        text = prefix + self._join(pieces, apart=bool(consumed))
        return _tidy(self._place_floor(text, True, first=False))

    def _participles(self, clause: Clause, *, plural: bool) -> str:
        if self.plan.is_picture:
            return self.dice.pick(words.MID_AIR)
        return self._chain(self._doings(clause, clause.events, participle=True, plural=plural))

    def _tags(self) -> str:
        """ "red ball, blue cube falling, wooden floor" """
        tags = []
        for clause in self.plan.clauses:
            for place in clause.groups:
                group = self.plan.groups[place]
                self._introduced.add(place)
                tag = self._bare(group, plural=group.count > 1)
                if group.count > 1:
                    tag = f"{self._usual(words.COUNTS[group.count])} {tag}"
                if clause.events and (self.plan.is_picture or self.dice.chance(0.6)):
                    tag += " " + self._tag_doings(clause, plural=group.count > 1)
                tags.append(tag.strip())
        tags = self.dice.shuffled(tags)
        if self.plan.floor is not None:
            tags.append(self.dice.pick(words.FLOOR_TAGS[self.plan.floor]))
        if self.plan.camera is not None and not self.plan.is_picture:
            tags.append(self.dice.pick(words.CAMERA_TAGS[self.plan.camera]))
        if self.plan.is_picture and self.dice.chance(0.3):
            tags.append(self.dice.pick(words.PICTURE_TAGS))
        return ", ".join(tags)

    def _tag_doings(self, clause: Clause, *, plural: bool) -> str:
        if self.plan.is_picture:
            return self.dice.pick(words.MID_AIR)
        told = [event for event in clause.events if event.other is None]
        participle = self.dice.chance(0.6)
        doings = self._doings(clause, told, participle=participle, plural=plural)
        return self._chain(doings) if doings else ""

    # Floor and camera

    def _place_floor(self, piece: str, can_follow: bool, *, first: bool) -> str:
        """Put the floor into this piece if it is not told yet."""
        floor = self.plan.floor
        if self._floor_is_told or floor is None or not self.dice.chance(0.7):
            return piece
        where = f"{words.ON} {self._usual(words.FLOORS[floor])}"
        if self.plan.is_picture and any(clause.events for clause in self.plan.clauses):
            where = where.replace(words.ON, words.OVER, 1)
        if can_follow and not piece.endswith(",") and ". " not in piece and self.dice.chance(0.75):
            self._floor_is_told = True
            return f"{piece} {where}"
        if first:
            self._floor_is_told = True
            return f"{where}, {piece}"
        return piece

    def _with_rest_sentences(self, text: str) -> str:
        """Add what the sentences have not told: the floor, the camera."""
        floor, camera = self.plan.floor, self.plan.camera
        if floor is not None and not self._floor_is_told:
            text += ". " + self.dice.pick(words.FLOOR_SENTENCES[floor]).format(be=self._be(plural=False))
        if camera is None or self.plan.is_picture:
            return text
        return self._with_camera(text, self._usual(words.CAMERA[camera]))

    def _with_camera(self, text: str, verb: Verb) -> str:
        verb_text = verb.past if self.tense == "past" else verb.third
        if self.tense == "progressive" and self.plan.camera != "still":
            verb_text = f"{words.TO_BE.third} {verb.participle}"
        frame = self.dice.pick(("sentence", "sentence", "as", "with", "first"))
        finite = f"{words.THE_CAMERA} {verb_text}"
        if frame == "first" and not self._in_cut:
            return f"{finite}. {text}"
        if frame in ("sentence", "first") or ". " in text:
            return f"{text}. {finite}"
        if frame == "as":
            return f"{text}{self.dice.pick(words.AS_THE_CAMERA)}{finite}"
        return f"{text}, {words.WITH} {words.THE_CAMERA} {verb.participle}"


_CONNECTIVES: dict[Join, tuple[str, ...]] = {
    "then": words.THEN_BETWEEN,
    "together": words.TOGETHER,
    "while": words.WHILE,
}
_MATERIAL_PLACES: dict[Material, tuple[str, ...]] = {
    "metal": ("after", "after", "after", "after", "before", "made"),
    "rubber": ("after", "after", "after", "after", "before", "made"),
    "wood": ("after", "after", "after", "after", "before", "made"),
}


def with_article(phrase: str) -> str:
    """Put "a" or "an" before it."""
    return f"{words.ARTICLE_BEFORE_VOWEL if phrase[0] in 'aeiou' else words.ARTICLE} {phrase}"


def _tidy(text: str) -> str:
    """Close an inserted list's comma where other punctuation follows or nothing does."""
    return text.replace(",,", ",").replace(",.", ".").rstrip(",")
