/*
 * Is a container that dockerd starts really inside this one? Asked of the kernel: a container is started through the
 * Docker API, like anybody's, and the groups of its process are read. The image is this program, so nothing is pulled.
 * Whatever was made is removed, also what an earlier daemon was killed over.
 */
#include "helper.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Alone it takes less than a second; beside a build that saturates the node it has all the time there is. */
#define CALL_MS 120000
#define ANSWER_MAX (1 << 20)
#define BLOCK 512

#define IMAGE "dind.dev/isolation-check"
#define NAME "dind-isolation-check"
/* No network and no log: neither is asked about, and either may be misconfigured by the user. */
static const char container[] = "{\"Image\":\"" IMAGE "\",\"Cmd\":[\"/dind-helper\",\"pause\"],\"NetworkDisabled\":true,"
                                "\"Labels\":{\"dind.dev/isolation-check\":\"\"},\"HostConfig\":{\"NetworkMode\":\"none\","
                                "\"LogConfig\":{\"Type\":\"none\"}}}";

struct check {
    const char *socket_path, *group;
    char *answer;
    /* The status of the last answer, and whether dockerd failed at starting the container. */
    int status, refused;
    /* Why there is no result, or which group is outside. */
    char detail[1024];
};

static int fail(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct check *check, const char *format, ...) {
    va_list args;

    va_start(args, format);
    vsnprintf(check->detail, sizeof check->detail, format, args);
    va_end(args);
    return -1;
}

static int call(struct check *check, const char *method, const char *path, const char *type, const char *body, size_t length) {
    const struct http_request asked = {.method = method, .path = path, .type = type, .body = body, .length = length};
    struct http_answer answer;
    int status = http_call(check->socket_path, &asked, now_ms() + CALL_MS, check->answer, ANSWER_MAX, &answer);

    check->status = status;
    if (status < 0)
        return fail(check, "%s", answer.error);
    if (status >= 300) {
        char words[512] = "";

        json_member(check->answer, "message", words, sizeof words);
        return fail(check, "%s %s: HTTP status %d: %s", method, path, status, words);
    }
    return status;
}

static void remove_all(struct check *check) {
    char kept[sizeof check->detail];

    memcpy(kept, check->detail, sizeof kept);
    call(check, "DELETE", "/containers/" NAME "?force=1&v=1", NULL, NULL, 0);
    call(check, "DELETE", "/images/" IMAGE "?force=1", NULL, NULL, 0);
    memcpy(check->detail, kept, sizeof kept);
}

/* This program as an archive of one file; NULL when it cannot be read. */
static char *archive(size_t *length) {
    FILE *self = fopen("/proc/self/exe", "re");
    struct stat about;
    unsigned sum = 0;
    char *tar;
    size_t size;

    if (!self || fstat(fileno(self), &about)) {
        if (self)
            fclose(self);
        return NULL;
    }
    size = (size_t)about.st_size;
    /* The header, the file in whole blocks, and two empty blocks. */
    *length = BLOCK + (size + BLOCK - 1) / BLOCK * BLOCK + 2 * BLOCK;
    tar = calloc(1, *length);
    if (tar && fread(tar + BLOCK, 1, size, self) == size) {
        strcpy(tar, "dind-helper");
        strcpy(tar + 100, "0000755");
        strcpy(tar + 108, "0000000");
        strcpy(tar + 116, "0000000");
        snprintf(tar + 124, 12, "%011zo", size);
        strcpy(tar + 136, "00000000000");
        memset(tar + 148, ' ', 8);
        tar[156] = '0';
        memcpy(tar + 257, "ustar\00000", 8);
        for (size_t i = 0; i < BLOCK; i++)
            sum += (unsigned char)tar[i];
        snprintf(tar + 148, 8, "%06o", sum);
    } else {
        free(tar);
        tar = NULL;
    }
    fclose(self);
    return tar;
}

static int start(struct check *check) {
    size_t length;
    char *tar = archive(&length);
    int status;

    if (!tar)
        return fail(check, "the program cannot read itself");
    status = call(check, "POST", "/images/create?fromSrc=-&repo=" IMAGE, "application/x-tar", tar, length);
    free(tar);
    if (status < 0)
        return -1;
    /* The status of this one was sent before the work was done. */
    if (strstr(check->answer, "\"errorDetail\""))
        return fail(check, "the image could not be made: %.300s", check->answer);
    if (call(check, "POST", "/containers/create?name=" NAME, "application/json", container, sizeof container - 1) < 0)
        return -1;
    if (call(check, "POST", "/containers/" NAME "/start", NULL, NULL, 0) >= 0)
        return 0;
    /* The container is our own, so nothing is wrong with it. An authorization plugin of the user answers 403. */
    check->refused = check->status >= 400 && check->status != 403;
    return -1;
}

/* The number that this PID namespace has for the container's process. */
static int process(struct check *check) {
    const char *found;
    int pid;

    if (call(check, "GET", "/containers/" NAME "/json", NULL, NULL, 0) < 0)
        return -1;
    found = strstr(check->answer, "\"Pid\":");
    pid = found ? atoi(found + strlen("\"Pid\":")) : 0;
    return pid > 0 ? pid : fail(check, "the container ended at once");
}

/* Whether a hierarchy is one whose limits are promised; of version 2 there is one, with an empty name. */
static int counts(const char *controllers) {
    static const char *const wanted[] = {"memory", "cpu", "pids"};
    char words[256];
    char *rest = NULL;

    snprintf(words, sizeof words, "%s", controllers);
    for (char *word = strtok_r(words, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (!strcmp(word, wanted[i]))
                return 1;
    return 0;
}

/* 1 when PATH is below the group; what is outside this cgroup namespace begins with /.. */
static int below(const char *path, const char *group) {
    size_t length = strlen(group);

    return !strncmp(path, group, length) && path[length] == '/' && !strstr(path, "/../");
}

/* 1 inside, 0 outside, -1 unknown. A hybrid machine's version 2 tree has no controllers and counts only when alone. */
static int look(struct check *check, int pid) {
    char name[64], line[PATH_MAX + 300], unified[PATH_MAX] = "", *controllers, *path;
    int seen = 0;
    FILE *file;

    snprintf(name, sizeof name, "/proc/%d/cgroup", pid);
    file = fopen(name, "re");
    if (!file)
        return fail(check, "%s cannot be read", name);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        controllers = strchr(line, ':');
        path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = 0;
        controllers++;
        if (!*controllers)
            snprintf(unified, sizeof unified, "%s", path);
        if (!counts(controllers))
            continue;
        seen = 1;
        if (!below(path, check->group)) {
            fclose(file);
            fail(check, "%.100s:%.800s", controllers, path);
            return 0;
        }
    }
    fclose(file);
    if (seen)
        return 1;
    if (below(unified, check->group))
        return 1;
    fail(check, "%.800s", unified);
    return 0;
}

static void print(const struct check *check, int inside) {
    static const char *const words[] = {"null", "false", "true"};
    char detail[3 * sizeof check->detail], line[sizeof detail + 128];

    json_escape(detail, sizeof detail, check->detail, strlen(check->detail));
    snprintf(line, sizeof line, "dind-isolation {\"version\":1,\"inside\":%s,\"detail\":\"%s\"%s}\n", words[inside + 1],
             inside == 1 ? "" : detail, check->refused ? ",\"startRefused\":true" : "");
    /* One write, so that lines of others cannot come in between. */
    if (write(STDOUT_FILENO, line, strlen(line)) < 0)
        return;
}

int isolation_run(const char *socket_path, const char *group) {
    struct check check = {.socket_path = socket_path, .group = group, .answer = malloc(ANSWER_MAX)};
    int inside = -1, pid;

    if (!check.answer)
        return 0;
    remove_all(&check);
    if (start(&check) >= 0 && (pid = process(&check)) > 0)
        inside = look(&check, pid);
    /* Where containers cannot be started, removing them can take long. */
    if (check.refused)
        print(&check, inside);
    remove_all(&check);
    if (!check.refused)
        print(&check, inside);
    free(check.answer);
    return check.refused;
}

int pause_main(int argc, char **argv) {
    (void)argv;
    if (argc > 1)
        return EXIT_USAGE;
    for (;;)
        pause();
}
