/*
 * What the daemon says of itself, once, as one line of the container's log: so nobody needs `exec` to learn it.
 * The reader treats the line as untrusted, since workloads may write to the same log.
 */
#include "helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A start takes about a second; asking five times a second costs nothing and adds little to it. */
#define ASK_MS 200
#define ANSWER_MS 10000
/* /info is a few KiB; with many registries and plugins some tens. */
#define INFO_MAX (1 << 20)
/* Version and driver names are short; anything longer is not one. */
#define VALUE_MAX 128

static void add(char *line, size_t size, const char *info, const char *from, const char *name) {
    char value[VALUE_MAX];
    size_t used = strlen(line);

    if (json_member(info, from, value, sizeof value))
        snprintf(line + used, size - used, ",\"%s\":\"%s\"", name, value);
    else
        snprintf(line + used, size - used, ",\"%s\":null", name);
}

static int print_report(const char *socket_path, char *info) {
    struct http_answer answer;
    char line[5 * (VALUE_MAX + 32)] = "dind-report {\"version\":1";

    if (http_get(socket_path, "/info", now_ms() + ANSWER_MS, info, INFO_MAX, &answer) != 200)
        return -1;
    add(line, sizeof line, info, "ServerVersion", "serverVersion");
    add(line, sizeof line, info, "Driver", "storageDriver");
    add(line, sizeof line, info, "CgroupVersion", "cgroupVersion");
    add(line, sizeof line, info, "CgroupDriver", "cgroupDriver");
    strcat(line, "}\n");
    /* One write, so that lines of others cannot come in between. */
    return write(STDOUT_FILENO, line, strlen(line)) < 0 ? -1 : 0;
}

void report_run(const char *socket_path) {
    char *info = malloc(INFO_MAX);
    struct http_answer answer;

    if (!info)
        return;
    while (http_get(socket_path, "/_ping", now_ms() + ANSWER_MS, info, INFO_MAX, &answer) != 200 ||
           print_report(socket_path, info))
        sleep_ms(ASK_MS);
    free(info);
}
