"""Generated names and the alphabet they are written in.

We choose the names of what we create, so that a create whose answer was lost can be repeated under the same
name; the applier and the loops call this. It answers to `apiserver/pkg/storage/names/generate.go` and
`apimachinery/pkg/util/rand/rand.go`. Randomness comes from the caller.
"""

import random

# Without vowels, so that no words form by chance.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_MAX_PREFIX = 63 - _SUFFIX_LENGTH


def suffix(rng: random.Random, n: int = _SUFFIX_LENGTH) -> str:
    """n random characters, as `rand.String`."""
    return "".join(rng.choices(ALPHABET, k=n))


def generate(prefix: str, rng: random.Random) -> str:
    """The prefix, cut to leave room, and a suffix: at most 63 characters, as `SimpleNameGenerator`."""
    return prefix[:_MAX_PREFIX] + suffix(rng)


def safe_encode(text: str) -> str:
    """The text, character by character, in the alphabet of generated names, as `rand.SafeEncodeString`."""
    return "".join(ALPHABET[ord(character) % len(ALPHABET)] for character in text)
