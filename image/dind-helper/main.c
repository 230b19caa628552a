/* Picks the subcommand; each lives in a file of its own. */
#include "helper.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *name;
    int (*run)(int, char **);
} commands[] = {
    {"cgroupns", cgroupns_main},
    {"ping", ping_main},
    {"init", init_main},
    {"json-escape", json_escape_main},
    {"pause", pause_main},
    {"volume", volume_main},
    {"lock", lock_main},
    {"activity", activity_main},
    {"network", network_main},
    {"preload", preload_main},
    {"inotify", inotify_main},
};

long long now_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void sleep_ms(long ms) {
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "usage: dind-helper cgroupns [--mount] -- COMMAND...\n"
                    "       dind-helper ping [--timeout SECONDS] [--wait SECONDS] [--after FILE] [SOCKET]\n"
                    "       dind-helper init [OPTION...] -- COMMAND...\n"
                    "       dind-helper json-escape [--max BYTES] TEXT\n"
                    "       dind-helper pause\n"
                    "       dind-helper volume DIRECTORY\n"
                    "       dind-helper lock DIRECTORY\n"
                    "       dind-helper activity SOCKET CGROUP\n"
                    "       dind-helper network [WORD=VALUE...]\n"
                    "       dind-helper preload MARKER CREDENTIALS SOCKET IMAGE...\n"
                    "       dind-helper inotify COUNT\n");
    return EXIT_USAGE;
}
