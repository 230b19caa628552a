/*
 * A resolver for nested containers where the pod's own is out of their reach: on a loopback address of the pod, which dockerd
 * leaves out of their resolv.conf, or on a link-local one of version 6. It hands on what it is sent, unread, to the pod's
 * nameservers and back. No packet filter does that without opening the pod's loopback to nested containers (route_localnet).
 */
#include "network.h"

#include "helper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 53
/* Questions on their way at once, and how long a resolver waits by default (resolv.conf(5)). */
#define QUESTIONS_MAX 128
#define ANSWER_MS 5000
/* Connections at once, and how long one may be silent. */
#define CONNECTIONS_MAX 32
#define SILENT_MS 10000
#define MESSAGE_BYTES 65535

struct question {
    int fd;
    size_t server;
    long long deadline;
    struct sockaddr_in from;
};

struct forward {
    struct server servers[SERVERS_MAX];
    size_t count, current;
    int udp, tcp;
    struct question questions[QUESTIONS_MAX];
};

/* Loopback of either version, or an address that is of one link only and needs its name. */
static int is_here(const char *address) {
    struct block block;

    if (strchr(address, '%'))
        return 1;
    if (!block_parse(address, &block))
        return 0;
    if (block.family == AF_INET)
        return block.address[0] == 127;
    return IN6_IS_ADDR_LOOPBACK((struct in6_addr *)block.address) || IN6_IS_ADDR_LINKLOCAL((struct in6_addr *)block.address);
}

size_t servers_read(struct server servers[SERVERS_MAX]) {
    FILE *file = fopen(RESOLV_CONF, "re");
    char line[256];
    size_t count = 0;

    while (file && count < SERVERS_MAX && fgets(line, sizeof line, file))
        if (sscanf(line, " nameserver %63s", servers[count].address) == 1) {
            servers[count].here = is_here(servers[count].address);
            count++;
        }
    if (file)
        fclose(file);
    return count;
}

/* Where a nameserver listens: an address of version 4, or of 6 with or without the name of its link. Its length, 0 for none. */
static socklen_t server_at(const char *text, struct sockaddr_storage *at) {
    struct sockaddr_in *four = (void *)at;
    struct sockaddr_in6 *six = (void *)at;
    char address[INET6_ADDRSTRLEN] = "";
    const char *link = strchr(text, '%');

    memset(at, 0, sizeof *at);
    four->sin_family = AF_INET;
    four->sin_port = htons(PORT);
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1)
        return sizeof *four;
    snprintf(address, sizeof address, "%.*s", (int)(link ? link - text : INET6_ADDRSTRLEN), text);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(PORT);
    six->sin6_scope_id = link ? if_nametoindex(link + 1) : 0;
    return inet_pton(AF_INET6, address, &six->sin6_addr) == 1 ? sizeof *six : 0;
}

/* A socket connected to the nameserver whose turn it is, or -1. */
static int ask(const struct forward *forward, int type) {
    struct sockaddr_storage at;
    socklen_t length = server_at(forward->servers[forward->current].address, &at);
    int fd = length ? socket(at.ss_family, type | SOCK_CLOEXEC, 0) : -1;

    if (fd >= 0 && connect(fd, (void *)&at, length)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* The bridge comes later than this: an address that is not there yet may be bound. */
static int open_at(const char *address, int type) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1 || setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) || bind(fd, (void *)&at, sizeof at) ||
        (type == SOCK_STREAM && listen(fd, CONNECTIONS_MAX)))
        return -1;
    return fd;
}

static void drop(struct question *question) {
    close(question->fd);
    question->fd = -1;
}

/* The next one's turn, unless it has come already: of several questions to one that is silent each says the same. */
static void failed(struct forward *forward, const struct question *question) {
    if (question->server == forward->current)
        forward->current = (forward->current + 1) % forward->count;
}

static void take_question(struct forward *forward, char *message) {
    struct question *free_one = NULL;
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t length = recvfrom(forward->udp, message, MESSAGE_BYTES, 0, (void *)&from, &size);

    for (size_t i = 0; !free_one && i < QUESTIONS_MAX; i++)
        if (forward->questions[i].fd < 0)
            free_one = forward->questions + i;
    /* Whoever asked asks again. */
    if (length <= 0 || !free_one || (free_one->fd = ask(forward, SOCK_DGRAM)) < 0)
        return;
    free_one->server = forward->current;
    free_one->from = from;
    free_one->deadline = now_ms() + ANSWER_MS;
    if (send(free_one->fd, message, (size_t)length, 0) < 0)
        drop(free_one);
}

static void take_answer(struct forward *forward, struct question *question, char *message) {
    ssize_t length = recv(question->fd, message, MESSAGE_BYTES, 0);

    if (length > 0)
        sendto(forward->udp, message, (size_t)length, 0, (void *)&question->from, sizeof question->from);
    else
        failed(forward, question);
    drop(question);
}

static void time_out(struct forward *forward) {
    long long now = now_ms();

    for (size_t i = 0; i < QUESTIONS_MAX; i++)
        if (forward->questions[i].fd >= 0 && forward->questions[i].deadline < now) {
            failed(forward, forward->questions + i);
            drop(forward->questions + i);
        }
}

/* Both ways, until one side ends or nothing comes any more. */
static void carry(int client, int server, char *message) {
    struct pollfd ends[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};

    while (poll(ends, 2, SILENT_MS) > 0)
        for (int i = 0; i < 2; i++) {
            ssize_t length;

            if (!ends[i].revents)
                continue;
            length = recv(ends[i].fd, message, MESSAGE_BYTES, 0);
            if (length <= 0)
                return;
            for (ssize_t sent = 0, done; sent < length; sent += done)
                if ((done = send(ends[!i].fd, message + sent, (size_t)(length - sent), MSG_NOSIGNAL)) <= 0)
                    return;
        }
}

/* A process for each connection: few questions need one. */
static void take_connection(struct forward *forward, int *children, char *message) {
    int client = accept4(forward->tcp, NULL, NULL, SOCK_CLOEXEC), server;

    while (waitpid(-1, NULL, WNOHANG) > 0)
        --*children;
    if (client < 0)
        return;
    if (*children < CONNECTIONS_MAX) {
        pid_t child = fork();

        if (!child) {
            /* Or whoever is started in this one's place finds them taken. */
            close(forward->tcp);
            close(forward->udp);
            if ((server = ask(forward, SOCK_STREAM)) >= 0)
                carry(client, server, message);
            _exit(0);
        }
        *children += child > 0;
    }
    close(client);
}

static void serve(struct forward *forward) {
    static char message[MESSAGE_BYTES];
    struct pollfd fds[QUESTIONS_MAX + 2];
    int children = 0;

    for (;;) {
        fds[QUESTIONS_MAX] = (struct pollfd){.fd = forward->udp, .events = POLLIN};
        fds[QUESTIONS_MAX + 1] = (struct pollfd){.fd = forward->tcp, .events = POLLIN};
        for (size_t i = 0; i < QUESTIONS_MAX; i++)
            fds[i] = (struct pollfd){.fd = forward->questions[i].fd, .events = POLLIN};
        if (poll(fds, QUESTIONS_MAX + 2, ANSWER_MS) > 0) {
            for (size_t i = 0; i < QUESTIONS_MAX; i++)
                if (fds[i].revents && forward->questions[i].fd >= 0)
                    take_answer(forward, forward->questions + i, message);
            if (fds[QUESTIONS_MAX].revents)
                take_question(forward, message);
            if (fds[QUESTIONS_MAX + 1].revents)
                take_connection(forward, &children, message);
        }
        time_out(forward);
    }
}

void forward_run(const char *address) {
    static struct forward forward;

    signal(SIGCHLD, SIG_DFL);
    forward.count = servers_read(forward.servers);
    for (size_t i = 0; i < QUESTIONS_MAX; i++)
        forward.questions[i].fd = -1;
    forward.udp = open_at(address, SOCK_DGRAM);
    forward.tcp = open_at(address, SOCK_STREAM);
    if (!forward.count || forward.udp < 0 || forward.tcp < 0) {
        fprintf(stderr, "dind: no resolver for nested containers at %s: %s\n", address, strerror(errno));
        return;
    }
    serve(&forward);
}
