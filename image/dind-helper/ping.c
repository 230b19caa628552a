/*
 * The probe: is the daemon answering on its socket? It always ends by its own clock, not by the kubelet's.
 * With --wait it asks again and again for that long: a kubelet starts a probe once a second at most, and a daemon that
 * answers just after one would be ready a whole second for nobody. With --after the daemon counts once that file is there.
 */
#include "helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Below the five seconds that the operator's probes allow, so that the reason is printed, not cut off. */
#define DEFAULT_SECONDS 4
#define DEFAULT_SOCKET "/var/run/docker.sock"
/* Between tries of --wait: nothing that a person or a build would notice. */
#define AGAIN_MS 20

/* The seconds that follow the option `name`, if it is next; 0 if what follows is no number in range. */
static int option(const char *name, int argc, char **argv, int *next, double *seconds) {
    char *end;

    if (*next + 1 >= argc || strcmp(argv[*next], name))
        return 1;
    *seconds = strtod(argv[*next + 1], &end);
    *next += 2;
    if (!*end && *seconds > 0 && *seconds <= 3600)
        return 1;
    fprintf(stderr, "dind-helper ping: %s takes seconds, more than 0 and at most 3600\n", name);
    return 0;
}

static int usage(void) {
    fprintf(stderr, "usage: dind-helper ping [--timeout SECONDS] [--wait SECONDS] [--after FILE] [SOCKET]\n");
    return EXIT_USAGE;
}

/* The HTTP status; 0 while the file is not there that is waited for. */
static int ask(const char *path, const char *after, long long deadline, struct http_answer *answer) {
    char body[4096];

    if (after && access(after, F_OK))
        return 0;
    return http_get(path, "/_ping", deadline, body, sizeof body, answer);
}

int ping_main(int argc, char **argv) {
    const char *path = getenv("DIND_SOCKET"), *after = NULL;
    struct http_answer answer;
    double seconds = DEFAULT_SECONDS, wait = 0;
    long long start = now_ms();
    int next = 1, status;

    if (!option("--timeout", argc, argv, &next, &seconds) || !option("--wait", argc, argv, &next, &wait))
        return EXIT_USAGE;
    if (next + 1 < argc && !strcmp(argv[next], "--after")) {
        after = argv[next + 1];
        next += 2;
    }
    if (next < argc)
        path = argv[next++];
    if (!path || !*path)
        path = DEFAULT_SOCKET;
    if (next < argc || *path == '-')
        return usage();
    for (;;) {
        status = ask(path, after, start + (long long)(seconds * 1000), &answer);
        if (status == 200 || now_ms() + AGAIN_MS >= start + (long long)(wait * 1000))
            break;
        sleep_ms(AGAIN_MS);
    }
    switch (status) {
    case 200:
        return 0;
    case 0:
        printf("docker daemon: images are still being pulled\n");
        return 1;
    case -1:
        printf("docker daemon: %s\n", answer.error);
        return 1;
    default:
        printf("docker daemon: /_ping answered with HTTP status %d\n", answer.status);
        return 1;
    }
}
