/*
 * Pulls images through the Docker API before the daemon counts as ready, so that any image with dockerd will do, and says
 * how far it is in lines of the container's log. Of what a registry or dockerd says only its kind is passed on: the sentence
 * itself is in dockerd's own log.
 */
#include "helper.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* dockerd tells of a pull's progress many times a second, and of a layer that is being unpacked from time to time. */
#define IDLE_MS 600000
/* The first headers are there when the first registry was asked; a proxy that swallows packets takes dockerd 30 s each. */
#define ANSWER_MS 10000
#define ASK_MS 200
/* The middle of a longer stream is left out. */
#define STREAM_MAX (1 << 16)
/* As bounded in the API, and more. */
#define IMAGES_MAX 64
#define NAME_MAX_LENGTH 512

/* What an error is about, by what dockerd's sentence has in it; the first that fits. */
static const struct {
    const char *text, *kind;
} kinds[] = {
    {"x509", "UntrustedCertificate"},
    {"tls: ", "UntrustedCertificate"},
    {"HTTP response to HTTPS client", "NoTls"},
    {"no space left", "DiskFull"},
    {"/etc/subuid", "UserOutsideNamespace"},
    {"toomanyrequests", "RateLimited"},
    {"rate limit", "RateLimited"},
    {"unauthorized", "Denied"},
    {"authentication required", "Denied"},
    {"no basic auth", "Denied"},
    {"denied", "Denied"},
    {"no such host", "Unreachable"},
    {"connection refused", "Unreachable"},
    {"timeout", "Unreachable"},
    {"deadline exceeded", "Unreachable"},
    {"unreachable", "Unreachable"},
    {"no route to host", "Unreachable"},
    {"server misbehaving", "Unreachable"},
    {"manifest unknown", "NotFound"},
    {"not found", "NotFound"},
};

struct state {
    const struct preload *preload;
    char *stream;
    int total, done, pulling;
    char images[IMAGES_MAX][NAME_MAX_LENGTH];
    int there[IMAGES_MAX];
    /* What its last try came to; NULL for an image that was not tried, or is there. */
    const char *failed[IMAGES_MAX];
};

/* The number of the first that could not be had, so that the same is told of while several cannot; 0 for none. */
static int failing(const struct state *state) {
    for (int i = 0; i < state->total; i++)
        if (state->failed[i])
            return i + 1;
    return 0;
}

static void say(const struct state *state) {
    char line[256], pulling[16] = "null", failed[16] = "null";
    int length, first = failing(state);

    if (state->pulling)
        snprintf(pulling, sizeof pulling, "%d", state->pulling);
    if (first)
        snprintf(failed, sizeof failed, "%d", first);
    length = snprintf(line, sizeof line,
                      "dind-preload {\"version\":1,\"total\":%d,\"done\":%d,\"pulling\":%s,\"failing\":%s,\"kind\":\"%s\"}\n",
                      state->total, state->done, pulling, failed, first ? state->failed[first - 1] : "None");
    /* One write, so that lines of others cannot come in between. A log that nobody reads any more is no reason to end. */
    if (write(STDOUT_FILENO, line, (size_t)length) < 0)
        return;
}

static const char *kind_of(const char *said) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcasestr(said, kinds[i].text))
            return kinds[i].kind;
    return "Failed";
}

/* Name and tag or digest, as the API takes them; the whole as it is asked for afterwards. A name alone would mean all tags. */
static void split(const char *image, char *name, const char **tag) {
    char *digest, *colon;

    snprintf(name, NAME_MAX_LENGTH, "%s", image);
    *tag = "latest";
    digest = strchr(name, '@');
    if (digest) {
        *digest = 0;
        *tag = image + (digest + 1 - name);
    }
    colon = strrchr(name, ':');
    if (!colon || strchr(colon, '/'))
        return;
    *colon = 0;
    if (!digest)
        *tag = image + (colon + 1 - name);
}

/* The part before the first slash if it can be a host, as Docker decides it. */
static void registry_of(const char *image, char *registry) {
    size_t length = strcspn(image, "/");

    snprintf(registry, NAME_MAX_LENGTH, "%.*s", (int)length, image);
    if (!image[length] || (!strpbrk(registry, ".:") && strcmp(registry, "localhost")))
        strcpy(registry, "docker.io");
    if (!strcasecmp(registry, "index.docker.io"))
        strcpy(registry, "docker.io");
}

static int is_there(struct state *state, const char *name, const char *tag) {
    char path[2 * NAME_MAX_LENGTH + 32];
    struct http_answer answer;

    snprintf(path, sizeof path, "/images/%s%s%s/json", name, strncmp(tag, "sha256:", 7) ? ":" : "@", tag);
    return http_get(state->preload->socket_path, path, now_ms() + ANSWER_MS, state->stream, STREAM_MAX, &answer) == 200;
}

/* NULL when it worked, else of what kind the error is. */
static const char *pull(struct state *state, const char *image, const char *name, const char *tag) {
    char path[2 * NAME_MAX_LENGTH + 64], registry[NAME_MAX_LENGTH];
    struct http_request asked = {.method = "POST", .path = path, .idle_ms = IDLE_MS};
    struct http_answer answer;
    char *auth;
    const char *error;
    int status;

    snprintf(path, sizeof path, "/images/create?fromImage=%s&tag=%s", name, tag);
    registry_of(image, registry);
    auth = registry_auth(state->preload->credentials, registry);
    asked.headers = auth;
    status = http_call(state->preload->socket_path, &asked, now_ms() + IDLE_MS, state->stream, STREAM_MAX, &answer);
    free(auth);
    if (status < 0)
        return kind_of(answer.error);
    error = strstr(state->stream, "\"errorDetail\"");
    if (status == 200 && !error)
        return NULL;
    return kind_of(error ? error : state->stream);
}

/* One image; 1 when it is there now. */
static int bring(struct state *state, int number) {
    char name[NAME_MAX_LENGTH];
    const char *image = state->images[number - 1], *tag;

    split(image, name, &tag);
    if (!is_there(state, name, tag)) {
        state->pulling = number;
        say(state);
        state->failed[number - 1] = pull(state, image, name, tag);
        state->pulling = 0;
    } else {
        state->failed[number - 1] = NULL;
    }
    return !state->failed[number - 1];
}

/* All that are not there yet. What failed in the last round is told of until that image is there. */
static void round_of(struct state *state) {
    for (int number = 1; number <= state->total; number++) {
        if (state->there[number - 1])
            continue;
        state->there[number - 1] = bring(state, number);
        state->done += state->there[number - 1];
    }
}

static int list(struct state *state, const char *images) {
    for (const char *at = images + strspn(images, " "); *at && state->total < IMAGES_MAX; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");

        if (length >= NAME_MAX_LENGTH)
            return -1;
        snprintf(state->images[state->total++], NAME_MAX_LENGTH, "%.*s", (int)length, at);
        at += length;
    }
    return 0;
}

static void all(struct state *state) {
    const struct preload *preload = state->preload;
    struct http_answer answer;
    long pause = periods().pull_again_min;
    int fd;

    while (http_get(preload->socket_path, "/_ping", now_ms() + ANSWER_MS, state->stream, STREAM_MAX, &answer) != 200)
        sleep_ms(ASK_MS);
    for (;;) {
        round_of(state);
        if (state->done == state->total)
            break;
        say(state);
        sleep_ms(pause);
        pause = 2 * pause < periods().pull_again_max ? 2 * pause : periods().pull_again_max;
    }
    say(state);
    /* Without it nobody would ever take the daemon for ready; a disk that is full now is not for ever. */
    while ((fd = open(preload->marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) < 0)
        sleep_ms(ASK_MS);
    close(fd);
}

void preload_run(const struct preload *preload) {
    struct state *state = calloc(1, sizeof *state);

    if (!state)
        return;
    state->preload = preload;
    state->stream = malloc(STREAM_MAX);
    if (state->stream && !list(state, preload->images))
        all(state);
    free(state->stream);
    free(state);
}

int preload_main(int argc, char **argv) {
    struct preload preload = {0};
    size_t length = 1;
    char *images;

    if (argc < 5) {
        fprintf(stderr, "usage: dind-helper preload MARKER CREDENTIALS SOCKET IMAGE...\n");
        return EXIT_USAGE;
    }
    for (int i = 4; i < argc; i++)
        length += strlen(argv[i]) + 1;
    images = calloc(1, length);
    if (!images)
        return EXIT_HELPER;
    for (int i = 4; i < argc; i++)
        strcat(strcat(images, argv[i]), " ");
    preload.marker = argv[1];
    preload.credentials = argv[2];
    preload.socket_path = argv[3];
    preload.images = images;
    preload_run(&preload);
    free(images);
    return access(preload.marker, F_OK) ? EXIT_HELPER : 0;
}
