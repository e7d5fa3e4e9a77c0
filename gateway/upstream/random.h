/* random: quick random numbers for choices that need no secrecy: splits, balancing, request ids,
 * jitter. Seeded from the kernel; one for each worker, never shared. */
#ifndef GATEWAY_UPSTREAM_RANDOM_H
#define GATEWAY_UPSTREAM_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* xoroshiro128+ (Blackman and Vigna): 2^128 - 1 long, passes the usual tests but for its lowest
 * bit. */
struct random {
    uint64_t state[2];
};

void random_init(struct random *random);
/* A fixed sequence, for tests. */
void random_init_fixed(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
/* Evenly in [0, bound); bound is not 0. */
uint64_t random_below(struct random *random, uint64_t bound);

#endif
