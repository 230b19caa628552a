/* What the parts of `dind-helper network` share: blocks of addresses, and what is known of the pod's surroundings. */
#ifndef DIND_NETWORK_H
#define DIND_NETWORK_H

#include <net/if.h>
#include <stdarg.h>
#include <stddef.h>

/* Of a pod's addresses and routes, what the user named and the installation's ranges: tens at most. */
#define FACTS_MAX 256
/* As many as resolvers read of resolv.conf, in musl and glibc. */
#define SERVERS_MAX 3
#define RESOLV_CONF "/etc/resolv.conf"

struct block {
    int family, length;
    unsigned char address[16];
};

/* A range that is in use. `near`: one address or part of a larger range, whose bounds are not known. */
struct fact {
    struct block block;
    int near;
    char what[160];
};

struct surroundings {
    /* The interface of the default route, empty without one, and the largest packet that goes out by it. */
    char interface[IF_NAMESIZE];
    unsigned mtu;
    /* The pod has an IPv6 address that is not of one link only. */
    int ipv6;
    size_t count;
    struct fact facts[FACTS_MAX];
};

/* Of this process's network namespace. 0, or -1 when the kernel does not answer. */
int surroundings_read(struct surroundings *found);
void block_add(struct surroundings *found, int family, const void *address, int length, int near, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* `address` or `address/length` as a block; 0 when it is none. */
int block_parse(const char *text, struct block *block);
/* The text of a block; with `host`, of the first address in it, as a bridge has it. */
#define BLOCK_TEXT 50
const char *block_text(const struct block *block, int host, char text[BLOCK_TEXT]);
int block_overlap(const struct block *one, const struct block *other);

/* A bridge of the daemon and what its networks are cut from; 0 when nothing is free. */
#define POOLS_MAX 4
struct choice {
    struct block bridge, pools[POOLS_MAX];
    size_t pool_count;
};
int ranges_choose(const struct surroundings *found, struct choice *choice);

/* The nameservers of resolv.conf, as text; how many. */
struct server {
    char address[64];
    /* Of this network namespace or this link: nothing that is forwarded gets there. */
    int here;
};
size_t servers_read(struct server servers[SERVERS_MAX]);

#endif
