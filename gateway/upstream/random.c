/* random: xoroshiro128+, seeded by getrandom(2). Owned by a worker, used in its thread only. */
#include "gateway/upstream/random.h"

#include "gateway/base/check.h"
#include "gateway/base/now.h"

#include <sys/random.h>

/* splitmix64: spreads a small seed over the state, which may not be all zero. */
static uint64_t random_spread(uint64_t *seed)
{
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void random_init_fixed(struct random *random, uint64_t seed)
{
    random->state[0] = random_spread(&seed);
    random->state[1] = random_spread(&seed);
}

void random_init(struct random *random)
{
    uint64_t seed[2] = { 0 };

    random_init_fixed(random, now_mono_fresh_us() ^ (uint64_t)(uintptr_t)random);
    /* Without the kernel's numbers (early in boot) the clock has to do: nothing here is a secret.
     */
    if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) == (ssize_t)sizeof(seed)) {
        random->state[0] ^= seed[0];
        random->state[1] ^= seed[1];
    }
    if (random->state[0] == 0 && random->state[1] == 0) {
        random->state[0] = 1;
    }
}

static uint64_t random_rotate(uint64_t value, int count)
{
    return (value << count) | (value >> (64 - count));
}

uint64_t random_next(struct random *random)
{
    uint64_t s0 = random->state[0];
    uint64_t s1 = random->state[1];
    uint64_t result = s0 + s1;

    s1 ^= s0;
    random->state[0] = random_rotate(s0, 24) ^ s1 ^ (s1 << 16);
    random->state[1] = random_rotate(s1, 37);
    return result;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    CHECK(bound > 0);
    /* The upper half of a product: no division, and the good high bits decide. The bias is below
     * bound / 2^64. */
    return (uint64_t)(((unsigned __int128)random_next(random) * bound) >> 64);
}
