/*
 * Credentials for one registry, out of a file as `docker login` and Secrets of type kubernetes.io/dockerconfigjson have it,
 * in the form that the Docker API takes. The file is read each time, so that a change is followed. Nothing of it is printed.
 */
#include "helper.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* A Secret holds no more. */
#define FILE_MAX (1 << 20)
/* A user, a password or a token; the key of a cloud's service account, the longest in use, has 3 KiB. */
#define VALUE_MAX 16384
#define HUB "docker.io"
/* What Docker Hub is called in such files and by the API. */
#define HUB_ADDRESS "https://index.docker.io/v1/"

static char *read_file(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd < 0 ? NULL : malloc(FILE_MAX);
    size_t length = 0;
    ssize_t got = 0;

    while (text && length < FILE_MAX - 1 && (got = read(fd, text + length, FILE_MAX - 1 - length)) > 0)
        length += (size_t)got;
    if (text)
        text[length] = 0;
    if (fd >= 0)
        close(fd);
    return text;
}

/* After the value that starts at `at`; NULL when the text ends before it does. */
static const char *value_end(const char *at) {
    for (int depth = 0; *at; at++) {
        if (*at == '"' && !(at = json_string_end(at + 1)))
            return NULL;
        depth += *at == '{' || *at == '[';
        if (*at == '}' || *at == ']') {
            if (!depth)
                return at;
            depth--;
        } else if (*at == ',' && !depth) {
            return at;
        }
        if (!depth && (*at == '"' || *at == '}' || *at == ']'))
            return at + 1;
    }
    return NULL;
}

/* The next member of an object, from after its brace or comma: its name (not terminated) and value; 0 after the last. */
struct member {
    const char *name, *value, *end;
    size_t length;
};

static int next_member(const char *at, struct member *found) {
    const char *end;

    at += strspn(at, " \t\r\n,{");
    if (*at != '"' || !(end = json_string_end(at + 1)))
        return 0;
    found->name = at + 1;
    found->length = (size_t)(end - at - 1);
    at = end + 1 + strspn(end + 1, " \t\r\n");
    if (*at != ':')
        return 0;
    found->value = at + 1 + strspn(at + 1, " \t\r\n");
    found->end = value_end(found->value);
    return found->end != NULL;
}

/* The host of a name such as https://registry.example.com:5000/v1/, in place. */
static void host_of(char *name) {
    char *start = strstr(name, "://");

    if (start)
        memmove(name, start + 3, strlen(start + 3) + 1);
    name[strcspn(name, "/")] = 0;
    if (!strcasecmp(name, "index." HUB) || !strcasecmp(name, "registry-1." HUB))
        strcpy(name, HUB);
}

/* The value of the registry in "auths", to be freed. The file's braces are its first character's. */
static char *entry_of(const char *text, const char *registry) {
    struct member outer, inner;

    for (const char *at = text; next_member(at, &outer); at = outer.end) {
        if (outer.length != 5 || memcmp(outer.name, "auths", 5) || *outer.value != '{')
            continue;
        for (at = outer.value + 1; next_member(at, &inner); at = inner.end) {
            char name[512];

            snprintf(name, sizeof name, "%.*s", (int)inner.length, inner.name);
            host_of(name);
            if (!strcasecmp(name, registry) && *inner.value == '{')
                return strndup(inner.value, (size_t)(inner.end - inner.value));
        }
        return NULL;
    }
    return NULL;
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* As the API wants it: the alphabet for URLs, padded. To be freed. */
static char *encode(const char *text, size_t length) {
    char *out = malloc((length + 2) / 3 * 4 + 1), *to = out;

    for (size_t i = 0; out && i < length; i += 3) {
        const unsigned char *from = (const unsigned char *)text + i;
        size_t left = length - i;
        unsigned bits = (unsigned)from[0] << 16 | (left > 1 ? from[1] : 0) << 8 | (left > 2 ? from[2] : 0);

        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        *to++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[bits & 63] : '=';
    }
    if (out)
        *to = 0;
    return out;
}

/* In place, of either alphabet; the length. */
static size_t decode(char *text) {
    unsigned bits = 0, have = 0;
    size_t length = 0;

    for (const char *from = text; *from; from++) {
        char digit = *from == '+' ? '-' : *from == '/' ? '_' : *from;
        const char *at = strchr(digits, digit);

        if (!at)
            continue;
        bits = bits << 6 | (unsigned)(at - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            text[length++] = (char)(bits >> have);
        }
    }
    text[length] = 0;
    return length;
}

/* "auth" is user:password in base64, and wins over what stands beside it as text, as with docker and the kubelet. Both results are escaped. */
static int user_and_password(const char *entry, char *user, char *password) {
    char *auth = malloc(VALUE_MAX), *colon;
    size_t length;
    int found = 0;

    if (!auth)
        return 0;
    if (json_member(entry, "auth", auth, VALUE_MAX) && *auth) {
        length = decode(auth);
        colon = memchr(auth, ':', length);
        found = colon && json_escape(user, VALUE_MAX, auth, (size_t)(colon - auth)) < VALUE_MAX &&
                json_escape(password, VALUE_MAX, colon + 1, length - (size_t)(colon + 1 - auth)) < VALUE_MAX;
    }
    free(auth);
    return found || (json_member(entry, "username", user, VALUE_MAX) && json_member(entry, "password", password, VALUE_MAX));
}

static char *header(const char *entry, const char *registry) {
    const char *address = strcmp(registry, HUB) ? registry : HUB_ADDRESS;
    char *user = malloc(VALUE_MAX), *password = malloc(VALUE_MAX), *json = NULL, *encoded = NULL, *line = NULL;
    int length = -1;

    if (user && password) {
        if (json_member(entry, "identitytoken", password, VALUE_MAX) && *password)
            length = asprintf(&json, "{\"identitytoken\":\"%s\",\"serveraddress\":\"%s\"}", password, address);
        else if (user_and_password(entry, user, password))
            length = asprintf(&json, "{\"username\":\"%s\",\"password\":\"%s\",\"serveraddress\":\"%s\"}", user, password,
                              address);
    }
    if (length >= 0 && (encoded = encode(json, (size_t)length)) &&
        asprintf(&line, "X-Registry-Auth: %s\r\n", encoded) < 0)
        line = NULL;
    free(user);
    free(password);
    if (length >= 0)
        free(json);
    free(encoded);
    return line;
}

char *registry_auth(const char *file, const char *registry) {
    char *text = file ? read_file(file) : NULL, *entry = text ? entry_of(text, registry) : NULL;
    char *line = entry ? header(entry, registry) : NULL;

    free(entry);
    free(text);
    return line;
}
