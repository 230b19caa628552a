/*
 * Which private ranges a nested daemon may use, given what is in use around it. Docker's own order comes first, so that a pod
 * in whose surroundings nothing is in the way has the addresses that people expect: 172.17.0.1 and 172.18 onwards.
 */
#include "network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* RFC 1918; and for whoever uses all of that, what carriers and benchmarks have (RFC 6598, RFC 2544). */
static const struct family {
    unsigned base;
    int length, from, to, step, size;
} families[] = {
    /* 172.16 is left to those who use the whole of the range from its beginning. */
    {0xac100000, 12, 1, 15, 1, 16},  /* 172.17 ... 172.31 */
    {0xc0a80000, 16, 0, 15, 1, 20},  /* 192.168.0 ... 192.168.240 */
    {0x0a000000, 8, 255, 0, -1, 16}, /* 10.255 ... 10.0: ranges are mostly given out from below */
    {0x64400000, 10, 63, 0, -1, 16},
    {0xc6120000, 15, 0, 1, 1, 16},
};
/* Where people expect the bridge: the first of all. */
static const unsigned char usual[] = {172, 17, 0, 0};
#define PRIVATE 3
#define FAMILIES (sizeof families / sizeof *families)
/* Small enough to lie between what is in the way, large enough for sixteen networks of 254 containers. */
#define SMALL 20

int block_parse(const char *text, struct block *block) {
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t size = slash ? (size_t)(slash - text) : strlen(text);
    int most;

    if (size >= sizeof address)
        return 0;
    memset(block, 0, sizeof *block);
    memcpy(address, text, size);
    address[size] = 0;
    block->family = strchr(address, ':') ? AF_INET6 : AF_INET;
    most = block->family == AF_INET ? 32 : 128;
    block->length = most;
    if (slash) {
        block->length = 0;
        for (const char *at = slash + 1; *at; at++) {
            if (*at < '0' || *at > '9' || block->length > most)
                return 0;
            block->length = block->length * 10 + *at - '0';
        }
    }
    return block->length <= most && (!slash || slash[1]) && inet_pton(block->family, address, block->address) == 1;
}

const char *block_text(const struct block *block, int host, char text[BLOCK_TEXT]) {
    struct block copy = *block;

    if (host)
        copy.address[3] |= 1;
    inet_ntop(copy.family, copy.address, text, INET6_ADDRSTRLEN);
    snprintf(text + strlen(text), 5, "/%d", copy.length);
    return text;
}

int block_overlap(const struct block *one, const struct block *other) {
    int length = one->length < other->length ? one->length : other->length;

    if (one->family != other->family || memcmp(one->address, other->address, (size_t)length / 8))
        return 0;
    return !(length % 8) || !((one->address[length / 8] ^ other->address[length / 8]) >> (8 - length % 8));
}

static struct block make(unsigned address, int length) {
    struct block block = {.family = AF_INET, .length = length};

    address = htonl(address);
    memcpy(block.address, &address, sizeof address);
    return block;
}

static int taken(const struct surroundings *found, const struct block *block, int near_only) {
    for (size_t i = 0; i < found->count; i++)
        if ((found->facts[i].near || !near_only) && block_overlap(block, &found->facts[i].block))
            return 1;
    return 0;
}

/*
 * 1 when there is room for one more. A bridge that cannot be at its usual place goes behind the pools, and these stay where they
 * are: dockerd does not start when its bridge comes to lie on a network that an earlier daemon has left on a kept volume.
 */
static int take(struct choice *choice, const struct block *block) {
    if (!memcmp(block->address, usual, sizeof usual) || choice->pool_count == POOLS_MAX)
        choice->bridge = *block;
    else
        choice->pools[choice->pool_count++] = *block;
    return choice->pool_count < POOLS_MAX || !choice->bridge.family;
}

/* What is free of a family, in pieces of `size` (or its own). */
static int take_from(const struct surroundings *found, const struct family *family, int size, struct choice *choice) {
    for (int i = family->from;; i += family->step) {
        unsigned start = family->base + ((unsigned)i << (32 - family->size));
        int width = size > family->size ? size : family->size;

        for (unsigned piece = 0; piece < 1u << (width - family->size); piece++) {
            struct block block = make(start + (piece << (32 - width)), width);

            if (!taken(found, &block, 0) && !take(choice, &block))
                return 0;
        }
        if (i == family->to)
            return 1;
    }
}

/*
 * First in families that nothing known is in: an address of the cluster says that its range is there, and not how far it goes.
 * Then between what is known, in large pieces and in small ones. A bridge and one pool are the least.
 */
int ranges_choose(const struct surroundings *found, struct choice *choice) {
    for (int pass = 0; pass < 4; pass++) {
        size_t first = pass == 3 ? PRIVATE : 0, last = pass == 3 ? FAMILIES : PRIVATE;

        memset(choice, 0, sizeof *choice);
        for (size_t i = first; i < last; i++) {
            struct block whole = make(families[i].base, families[i].length);

            if (pass == 0 && taken(found, &whole, 1))
                continue;
            if (!take_from(found, families + i, pass == 2 ? SMALL : 0, choice))
                break;
        }
        if (!choice->bridge.family && choice->pool_count > 1)
            choice->bridge = choice->pools[--choice->pool_count];
        if (choice->bridge.family && choice->pool_count)
            return 1;
    }
    return 0;
}
