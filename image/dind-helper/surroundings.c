/*
 * What a nested network must keep clear of, as the pod's own network namespace shows it: its addresses and routes, and the
 * interface that leads outside, with its MTU. Asked of the kernel by netlink: /proc tells no route's MTU, and an image may
 * lack ip(8). Bridges of an earlier daemon are in the same namespace and do not count.
 */
#include "network.h"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A dump's messages come in pieces of at most this (NLMSG_GOODSIZE is a page or 8 KiB). */
#define PIECE_MAX 32768
/* A route as short as this is one of the halves that tunnels lay over the default route: all there is, not a range. */
#define WHOLE_WORLD 1

struct route {
    int family, length, interface;
    unsigned metric, mtu;
    unsigned char to[16];
};

/* What both dumps are read into, before it is known which interface leads outside. */
struct dump {
    struct surroundings *found;
    struct route best;
    int have_best, pass;
};

void block_add(struct surroundings *found, int family, const void *address, int length, int near, const char *format, ...) {
    struct fact *fact = found->facts + found->count;
    va_list args;

    if (found->count == FACTS_MAX)
        return;
    found->count++;
    fact->block.family = family;
    fact->block.length = length;
    memcpy(fact->block.address, address, family == AF_INET ? 4 : 16);
    fact->near = near;
    va_start(args, format);
    vsnprintf(fact->what, sizeof fact->what, format, args);
    va_end(args);
}

/* Asked of the kernel: /sys may be that of another namespace. */
static int is_bridge(const char *name) {
    struct ethtool_drvinfo about = {.cmd = ETHTOOL_GDRVINFO};
    struct ifreq asked = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), known;

    memcpy(asked.ifr_name, name, strnlen(name, IF_NAMESIZE - 1));
    asked.ifr_data = (void *)&about;
    known = fd >= 0 && !ioctl(fd, SIOCETHTOOL, &asked);
    if (fd >= 0)
        close(fd);
    return known && !strcmp(about.driver, "bridge");
}

/* A bridge other than the way outside was made by a daemon: this one's predecessor in the same pod. */
static int counts(const struct dump *dump, int index) {
    char name[IF_NAMESIZE];

    if (!if_indextoname((unsigned)index, name) || !strcmp(name, "lo"))
        return 0;
    return !strcmp(name, dump->found->interface) || !is_bridge(name);
}

/* Not a range of anybody's: every link has it. */
static int link_local6(int family, const unsigned char *address) {
    return family == AF_INET6 && (address[0] == 0xff || (address[0] == 0xfe && (address[1] & 0xc0) == 0x80));
}

static unsigned route_mtu(struct rtattr *metrics) {
    unsigned mtu = 0;
    int left = (int)RTA_PAYLOAD(metrics);

    for (struct rtattr *at = RTA_DATA(metrics); RTA_OK(at, left); at = RTA_NEXT(at, left))
        if (at->rta_type == RTAX_MTU)
            memcpy(&mtu, RTA_DATA(at), sizeof mtu);
    return mtu;
}

static void read_route(struct dump *dump, const struct nlmsghdr *message) {
    const struct rtmsg *about = NLMSG_DATA(message);
    struct route route = {.family = about->rtm_family, .length = about->rtm_dst_len};
    int left = (int)RTM_PAYLOAD(message);
    char name[IF_NAMESIZE], text[INET6_ADDRSTRLEN];

    if (about->rtm_type != RTN_UNICAST || about->rtm_table != RT_TABLE_MAIN)
        return;
    for (struct rtattr *at = RTM_RTA(about); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
        if (at->rta_type == RTA_DST)
            memcpy(route.to, RTA_DATA(at), RTA_PAYLOAD(at) < 16 ? RTA_PAYLOAD(at) : 16);
        else if (at->rta_type == RTA_OIF)
            memcpy(&route.interface, RTA_DATA(at), sizeof route.interface);
        else if (at->rta_type == RTA_PRIORITY)
            memcpy(&route.metric, RTA_DATA(at), sizeof route.metric);
        else if (at->rta_type == RTA_METRICS)
            route.mtu = route_mtu(at);
        else if (at->rta_type == RTA_MULTIPATH)
            route.interface = ((struct rtnexthop *)RTA_DATA(at))->rtnh_ifindex;
    }
    if (!dump->pass) {
        /* IPv4's is asked for first: that of version 6 counts only where there is no other. */
        if (route.length || (dump->have_best && (dump->best.family != route.family || dump->best.metric <= route.metric)))
            return;
        dump->best = route;
        dump->have_best = 1;
    } else if (route.length > WHOLE_WORLD && !link_local6(route.family, route.to) && counts(dump, route.interface)) {
        inet_ntop(route.family, route.to, text, sizeof text);
        if_indextoname((unsigned)route.interface, name);
        block_add(dump->found, route.family, route.to, route.length, 1, "the pod's route to %s/%d (%s)", text, route.length, name);
    }
}

static void read_address(struct dump *dump, const struct nlmsghdr *message) {
    const struct ifaddrmsg *about = NLMSG_DATA(message);
    unsigned char address[16] = {0};
    int left = (int)IFA_PAYLOAD(message), known = 0;
    char name[IF_NAMESIZE], text[INET6_ADDRSTRLEN];

    for (struct rtattr *at = IFA_RTA(about); RTA_OK(at, left); at = RTA_NEXT(at, left))
        /* The other end's, on links between two; the own one is told besides. */
        if (at->rta_type == IFA_LOCAL || (at->rta_type == IFA_ADDRESS && !known)) {
            memcpy(address, RTA_DATA(at), RTA_PAYLOAD(at) < 16 ? RTA_PAYLOAD(at) : 16);
            known = at->rta_type == IFA_LOCAL;
        }
    if (link_local6(about->ifa_family, address) || !counts(dump, (int)about->ifa_index))
        return;
    inet_ntop(about->ifa_family, address, text, sizeof text);
    if_indextoname(about->ifa_index, name);
    block_add(dump->found, about->ifa_family, address, about->ifa_prefixlen, 1, "the pod's address %s/%d (%s)", text,
              about->ifa_prefixlen, name);
    dump->found->ipv6 |= about->ifa_family == AF_INET6 && about->ifa_scope == RT_SCOPE_UNIVERSE;
}

/* 0, or -1 when the kernel does not answer; a family that it does not have is no error. */
static int ask(int type, int family, void (*read_one)(struct dump *, const struct nlmsghdr *), struct dump *dump) {
    struct {
        struct nlmsghdr header;
        struct rtmsg about;
    } question = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof question.about),
                             .nlmsg_type = (unsigned short)type,
                             .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                  .about = {.rtm_family = (unsigned char)family}};
    _Alignas(struct nlmsghdr) static char piece[PIECE_MAX];
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), done = 0;
    ssize_t length;

    if (fd < 0)
        return -1;
    if (send(fd, &question, question.header.nlmsg_len, 0) < 0)
        done = -1;
    while (!done && (length = recv(fd, piece, sizeof piece, 0)) > 0) {
        unsigned left = (unsigned)length;

        for (struct nlmsghdr *at = (void *)piece; !done && NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
            if (at->nlmsg_type == NLMSG_DONE || at->nlmsg_type == NLMSG_ERROR)
                done = 1;
            else
                read_one(dump, at);
        }
    }
    close(fd);
    return done == 1 ? 0 : -1;
}

static unsigned interface_mtu(const char *name) {
    struct ifreq asked = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), failed;

    memcpy(asked.ifr_name, name, strnlen(name, IF_NAMESIZE - 1));
    failed = fd < 0 || ioctl(fd, SIOCGIFMTU, &asked);
    if (fd >= 0)
        close(fd);
    return failed ? 0 : (unsigned)asked.ifr_mtu;
}

int surroundings_read(struct surroundings *found) {
    struct dump dump = {.found = found};

    if (ask(RTM_GETROUTE, AF_INET, read_route, &dump) | ask(RTM_GETROUTE, AF_INET6, read_route, &dump))
        return -1;
    if (dump.have_best && if_indextoname((unsigned)dump.best.interface, found->interface)) {
        found->mtu = interface_mtu(found->interface);
        /* Some plugins leave the interface as it is and give the route what the tunnel below it takes. */
        if (dump.best.mtu && dump.best.mtu < found->mtu)
            found->mtu = dump.best.mtu;
    }
    dump.pass = 1;
    return ask(RTM_GETADDR, AF_INET, read_address, &dump) | ask(RTM_GETADDR, AF_INET6, read_address, &dump) |
           ask(RTM_GETROUTE, AF_INET, read_route, &dump) | ask(RTM_GETROUTE, AF_INET6, read_route, &dump);
}
