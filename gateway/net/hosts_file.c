/* hosts_file: evdns looks into /etc/hosts only behind its getaddrinfo, which hides the TTL, so the
 * look-up is ours. A line is an address, names, and perhaps a comment. */
#include "gateway/net/hosts_file.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A hosts file beyond this is read up to here. */
enum { HOSTS_FILE_MAX_BYTES = 1024 * 1024 };

void hosts_file_init(struct hosts_file *hosts, const char *path)
{
    memset(hosts, 0, sizeof(*hosts));
    hosts->path = path;
}

void hosts_file_cleanup(struct hosts_file *hosts)
{
    text_cleanup(&hosts->text);
}

static bool hosts_file_is_current(struct hosts_file *hosts)
{
    struct stat status;

    if (stat(hosts->path, &status) != 0) {
        /* Gone for now, perhaps while it is replaced: what is known stays. */
        return true;
    }
    return hosts->is_read && status.st_ino == hosts->status.st_ino &&
           status.st_size == hosts->status.st_size &&
           status.st_mtim.tv_sec == hosts->status.st_mtim.tv_sec &&
           status.st_mtim.tv_nsec == hosts->status.st_mtim.tv_nsec;
}

static void hosts_file_read(struct hosts_file *hosts)
{
    char buffer[4096];
    ssize_t count;
    int fd = open(hosts->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd == -1) {
        return;
    }
    text_clear(&hosts->text);
    hosts->is_read = fstat(fd, &hosts->status) == 0;
    while (hosts->text.len < HOSTS_FILE_MAX_BYTES &&
           (count = read(fd, buffer, sizeof(buffer))) > 0) {
        text_add(&hosts->text, str_from(buffer, (size_t)count));
    }
    (void)close(fd); /* only read */
}

static bool hosts_file_next_word(struct str *line, struct str *word)
{
    *line = str_trim(*line);
    if (line->len == 0) {
        return false;
    }
    size_t end = 0;
    while (end < line->len && line->ptr[end] != ' ' && line->ptr[end] != '\t') {
        end++;
    }
    *word = str_slice(*line, 0, end);
    *line = str_skip(*line, end);
    return true;
}

static bool hosts_file_line_names(struct str line, struct str name, struct address *address)
{
    struct str word;
    size_t comment = str_find_char(line, '#');

    if (comment != SIZE_MAX) {
        line = str_slice(line, 0, comment);
    }
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    if (!hosts_file_next_word(&line, &word) || !address_is_ip_literal(word) ||
        !address_parse(word, 0, address)) {
        return false;
    }
    while (hosts_file_next_word(&line, &word)) {
        if (str_equals_nocase(word, name)) {
            return true;
        }
    }
    return false;
}

static bool hosts_file_is_localhost(struct str name)
{
    struct str suffix = STR(".localhost");

    return str_equals_nocase(name, STR("localhost")) ||
           (name.len > suffix.len &&
            str_equals_nocase(str_skip(name, name.len - suffix.len), suffix));
}

size_t hosts_file_find(struct hosts_file *hosts, struct str name, struct address *addresses,
                       size_t capacity)
{
    struct str line;
    size_t count = 0;

    if (name.len > 0 && name.ptr[name.len - 1] == '.') {
        name.len--;
    }
    if (!hosts_file_is_current(hosts)) {
        hosts_file_read(hosts);
    }
    struct str rest = text_view(&hosts->text);
    while (count < capacity && str_split_next(&rest, '\n', &line)) {
        if (hosts_file_line_names(line, name, &addresses[count])) {
            count++;
        }
    }
    if (count == 0 && capacity >= 2 && hosts_file_is_localhost(name)) {
        (void)address_parse(STR("127.0.0.1"), 0, &addresses[count++]); /* these two parse */
        (void)address_parse(STR("::1"), 0, &addresses[count++]);
    }
    return count;
}
