/*
 * What dockerd is told of its networks where nobody chose it: the MTU of the way outside, a bridge and pools clear of what is
 * in use, IPv6, a resolver that nested containers can reach. And whether what somebody chose is clear of that, too.
 *   dind-helper network [WORD=VALUE...]
 * prints `report {JSON}`, `config MEMBERS` (members of daemon.json, each with a comma behind it) and `forward ADDRESS`; or a
 * sentence with status 3 when ranges collide. Words:
 *   docker=MAJOR           dockerd's version; without it nothing that depends on it is chosen
 *   mtu=N bip=A pool=A     chosen in spec.network and in daemon.json already: they are checked
 *   config-bip=A config-pool=A   the same, chosen in spec.daemon.config
 *   own=WORD               mtu, bip, pools, opts, dns or ipv6 is not to be chosen here
 *   avoid=A cluster=A      named by the user, and by the installation
 *   node=A service=A       addresses of the cluster, parts of ranges whose bounds are not known
 *   ipv6=on|off|auto ip6tables=1
 */
#include "network.h"

#include "helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_COLLISION 3
/* Docker releases that know `default-network-opts`, and IPv6 for networks without more than a switch. */
#define DOCKER_NETWORK_OPTS 24
#define DOCKER_IPV6 27
/* As many as the API takes of pools. */
#define FIXED_MAX 17

struct fixed {
    struct block block;
    const char *field, *text;
};

struct asked {
    struct surroundings seen;
    struct fixed fixed[FIXED_MAX];
    size_t fixed_count;
    struct block bridge;
    const char *bridge_text, *ipv6;
    char owned[128];
    unsigned mtu;
    int docker, pools, ip6tables;
};

static int owned(const struct asked *asked, const char *word) {
    char wanted[16];

    snprintf(wanted, sizeof wanted, " %s ", word);
    return strstr(asked->owned, wanted) != NULL;
}

static void own(struct asked *asked, const char *word) {
    size_t used = strlen(asked->owned);

    if (owned(asked, word))
        return;
    snprintf(asked->owned + used, sizeof asked->owned - used, " %s ", word);
}

/* -1 for what is no range. */
static int fix(struct asked *asked, const char *field, const char *text) {
    struct fixed *fixed = asked->fixed + asked->fixed_count;

    if (asked->fixed_count == FIXED_MAX || !block_parse(text, &fixed->block))
        return -1;
    fixed->field = field;
    fixed->text = text;
    asked->fixed_count++;
    return 0;
}

/* What nobody chose is a hint: one that is no address says nothing. */
static int hint(struct asked *asked, const char *text, const char *what) {
    struct block block;

    if (block_parse(text, &block))
        block_add(&asked->seen, block.family, block.address, block.length, 1, "%s %s", what, text);
    return 0;
}

static int name(struct asked *asked, const char *text, int near, const char *what) {
    struct block block;

    if (!block_parse(text, &block))
        return -1;
    block_add(&asked->seen, block.family, block.address, block.length, near, "%s %s", what, text);
    return 0;
}

static int parse_bridge(struct asked *asked, const char *field, const char *text) {
    asked->bridge_text = text;
    own(asked, "bip");
    return block_parse(text, &asked->bridge) ? fix(asked, field, text) : -1;
}

static int parse_pool(struct asked *asked, const char *field, const char *text) {
    own(asked, "pools");
    return fix(asked, field, text);
}

static int parse_word(struct asked *asked, const char *word, const char *value) {
    if (!strcmp(word, "docker"))
        asked->docker = atoi(value);
    else if (!strcmp(word, "mtu"))
        asked->mtu = (unsigned)atoi(value);
    else if (!strcmp(word, "ipv6"))
        asked->ipv6 = value;
    else if (!strcmp(word, "ip6tables"))
        asked->ip6tables = 1;
    else if (!strcmp(word, "own"))
        own(asked, value);
    else if (!strcmp(word, "bip"))
        return parse_bridge(asked, "network.bridgeAddress", value);
    else if (!strcmp(word, "config-bip"))
        return parse_bridge(asked, "daemon.config.bip", value);
    else if (!strcmp(word, "pool"))
        return parse_pool(asked, "network.addressPools", value);
    else if (!strcmp(word, "config-pool"))
        return parse_pool(asked, "daemon.config.default-address-pools", value);
    else if (!strcmp(word, "avoid"))
        return name(asked, value, 0, "network.avoid's");
    else if (!strcmp(word, "cluster"))
        return name(asked, value, 0, "the installation's clusterCIDRs'");
    else if (!strcmp(word, "node"))
        return hint(asked, value, "the node's address");
    else if (!strcmp(word, "service"))
        return hint(asked, value, "the API server's service address");
    else
        return -1;
    return 0;
}

static int parse(struct asked *asked, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (!value || !value[1])
            return fprintf(stderr, "dind-helper network: %s is no WORD=VALUE\n", argv[i]);
        *value++ = 0;
        if (parse_word(asked, argv[i], value))
            return fprintf(stderr, "dind-helper network: %s=%s cannot be read\n", argv[i], value);
    }
    return 0;
}

/* Nothing of what was chosen may hold an address that is somebody else's. */
static int collides(const struct asked *asked, const struct choice *choice) {
    char text[BLOCK_TEXT];

    for (size_t i = 0; i < asked->fixed_count; i++)
        for (size_t k = 0; k < asked->seen.count; k++) {
            const struct fixed *fixed = asked->fixed + i;
            const struct fact *fact = asked->seen.facts + k;

            if (!block_overlap(&fixed->block, &fact->block))
                continue;
            printf("spec.%s %s overlaps %s: nested containers could not reach what is there, and its answers would not reach "
                   "them. Leave the field out and a free range is chosen",
                   fixed->field, fixed->text, fact->what);
            if (choice->pool_count)
                printf(", or choose one yourself, such as %s",
                       strstr(fixed->field, "ools") ? block_text(choice->pools, 0, text) : block_text(&choice->bridge, 1, text));
            puts(".");
            return 1;
        }
    return 0;
}

static unsigned wanted_mtu(const struct asked *asked) {
    return asked->mtu ? asked->mtu : owned(asked, "mtu") ? 0 : asked->seen.mtu;
}

static void add_servers(struct asked *asked, const struct server *servers, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!servers[i].here)
            name(asked, servers[i].address, 1, "the pod's nameserver");
}

/* Where nested containers can reach no nameserver of the pod's: the bridge's address, where a forwarder will be. */
static int forward_needed(const struct asked *asked, const struct server *servers, size_t count) {
    size_t here = 0;

    for (size_t i = 0; i < count; i++)
        here += (size_t)servers[i].here;
    return count && here == count && !owned(asked, "dns");
}

/* A private range of version 6 for the bridge; behind the pod's address, so that any will do that is not used around it. */
static const char *private6(const struct asked *asked) {
    static char text[BLOCK_TEXT];
    struct block block;

    for (unsigned i = 0; i < 256; i++) {
        int clear = 1;

        snprintf(text, sizeof text, "fd64:696e:64%02x::/64", i);
        block_parse(text, &block);
        for (size_t k = 0; k < asked->seen.count; k++)
            clear &= !block_overlap(&block, &asked->seen.facts[k].block);
        if (clear)
            return text;
    }
    return NULL;
}

/* Left to itself only where Docker has it without experimental switches, and where the packet filter can do it. */
static int wants6(const struct asked *asked) {
    if (owned(asked, "ipv6") || !asked->docker || !asked->ip6tables || !strcmp(asked->ipv6, "off"))
        return 0;
    return !strcmp(asked->ipv6, "on") || (asked->seen.ipv6 && asked->docker >= DOCKER_IPV6);
}

static void print_config(const struct asked *asked, const struct choice *choice, const char *forward, int six) {
    unsigned mtu = wanted_mtu(asked);
    int all = asked->docker >= DOCKER_NETWORK_OPTS && !owned(asked, "opts"), six_all = six && asked->docker >= DOCKER_IPV6;
    char text[BLOCK_TEXT];

    printf("config ");
    if (mtu && !asked->mtu)
        printf("\"mtu\":%u,", mtu);
    if (all && (mtu || six_all)) {
        printf("\"default-network-opts\":{\"bridge\":{");
        if (mtu)
            printf("\"com.docker.network.driver.mtu\":\"%u\"%s", mtu, six_all ? "," : "");
        if (six_all)
            printf("\"com.docker.network.enable_ipv6\":\"true\"");
        printf("}},");
    }
    if (!owned(asked, "bip"))
        printf("\"bip\":\"%s\",", block_text(&choice->bridge, 1, text));
    if (!owned(asked, "pools")) {
        printf("\"default-address-pools\":[");
        for (size_t i = 0; i < choice->pool_count; i++)
            /* Sixteen networks of each. */
            printf("%s{\"base\":\"%s\",\"size\":%d}", i ? "," : "", block_text(choice->pools + i, 0, text),
                   choice->pools[i].length + 4);
        printf("],");
    }
    if (forward)
        printf("\"dns\":[\"%s\"],", forward);
    if (six)
        printf("\"ipv6\":true,\"ip6tables\":true,\"fixed-cidr-v6\":\"%s\",%s", private6(asked),
               asked->docker < DOCKER_IPV6 && !owned(asked, "experimental") ? "\"experimental\":true," : "");
    puts("");
}

static void print_report(const struct asked *asked, const struct choice *choice, int forward) {
    char text[BLOCK_TEXT], interface[6 * IF_NAMESIZE];
    const char *word = "";

    interface[json_escape(interface, sizeof interface - 1, asked->seen.interface, strlen(asked->seen.interface))] = 0;
    printf("report {\"interface\":\"%s\",\"interfaceMtu\":%u,\"mtu\":%u,\"bridge\":\"%s\",\"pools\":[", interface, asked->seen.mtu,
           wanted_mtu(asked),
           asked->bridge_text     ? asked->bridge_text
           : owned(asked, "bip")  ? ""
                                  : block_text(&choice->bridge, 1, text));
    for (size_t i = 0; i < asked->fixed_count; i++)
        if (strstr(asked->fixed[i].field, "ools")) {
            printf("%s\"%s\"", word, asked->fixed[i].text);
            word = ",";
        }
    for (size_t i = 0; !owned(asked, "pools") && i < choice->pool_count; i++)
        printf("%s\"%s\"", i ? "," : "", block_text(choice->pools + i, 0, text));
    printf("],\"ipv6\":%s,\"forwarder\":%s}\n", asked->seen.ipv6 ? "true" : "false", forward ? "true" : "false");
}

static int choose(struct asked *asked) {
    struct server servers[SERVERS_MAX];
    size_t count = servers_read(servers);
    struct choice choice = {0};
    char bridge[BLOCK_TEXT] = "";
    int forward = forward_needed(asked, servers, count), found;

    add_servers(asked, servers, count);
    found = ranges_choose(&asked->seen, &choice);
    if (collides(asked, &choice))
        return EXIT_COLLISION;
    /* What one part has been given is not for the other. */
    for (size_t i = 0; i < asked->fixed_count; i++)
        name(asked, asked->fixed[i].text, 0, asked->fixed[i].field);
    if (asked->fixed_count)
        found = ranges_choose(&asked->seen, &choice);
    if (!found && (!owned(asked, "bip") || !owned(asked, "pools"))) {
        puts("No private range is left for the daemon's bridge and networks beside what is in use and what spec.network.avoid "
             "and the installation's clusterCIDRs name. Name less in spec.network.avoid, or choose ranges yourself in "
             "spec.network.bridgeAddress and spec.network.addressPools.");
        return EXIT_COLLISION;
    }
    if (!owned(asked, "bip"))
        block_text(&choice.bridge, 1, bridge);
    else if (asked->bridge_text)
        snprintf(bridge, sizeof bridge, "%s", asked->bridge_text);
    bridge[strcspn(bridge, "/")] = 0;
    /* Without a bridge whose address is known there is no place for a forwarder. */
    forward &= *bridge != 0;
    print_report(asked, &choice, forward);
    print_config(asked, &choice, forward ? bridge : NULL, wants6(asked));
    if (forward)
        printf("forward %s\n", bridge);
    return 0;
}

int network_main(int argc, char **argv) {
    static struct asked asked = {.ipv6 = "auto"};

    if (surroundings_read(&asked.seen)) {
        perror("dind-helper network: the kernel does not tell addresses and routes");
        return EXIT_HELPER;
    }
    return parse(&asked, argc, argv) ? EXIT_USAGE : choose(&asked);
}
