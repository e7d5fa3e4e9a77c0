/* now: clocks and their texts. All state is per thread. */
#include "gateway/base/now.h"

#include "gateway/base/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { UTC_SECOND_BYTES = sizeof("2006-01-02T15:04:05") - 1 };

static __thread uint64_t mono_us; /* 0: not read yet */
static __thread uint64_t wall_us;

static uint64_t read_clock(clockid_t id)
{
    struct timespec time;

    CHECK(clock_gettime(id, &time) == 0);
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_nsec / 1000u;
}

void now_update(void)
{
    mono_us = read_clock(CLOCK_MONOTONIC);
    wall_us = read_clock(CLOCK_REALTIME);
}

uint64_t now_mono_us(void)
{
    if (mono_us == 0) {
        now_update();
    }
    return mono_us;
}

uint64_t now_wall_us(void)
{
    if (mono_us == 0) {
        now_update();
    }
    return wall_us;
}

uint64_t now_mono_fresh_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t now_wall_fresh_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

/* gmtime_r for one second after another is the cost of a log line: the broken-down time of the
 * last second is kept. */
static const struct tm *utc_of_second(uint64_t second)
{
    static __thread struct tm kept;
    static __thread uint64_t kept_second = UINT64_MAX;

    if (second != kept_second) {
        time_t time = (time_t)second;

        if (gmtime_r(&time, &kept) == NULL) {
            memset(&kept, 0, sizeof(kept)); /* a year that does not fit: no clock of ours says so */
        }
        kept_second = second;
    }
    return &kept;
}

static void put_digits(char *out, unsigned value, size_t count)
{
    while (count != 0) {
        out[--count] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* "2006-01-02T15:04:05", kept for the second it says, as above. */
static const char *text_of_second(uint64_t second)
{
    static __thread char kept[UTC_SECOND_BYTES + 1];
    static __thread uint64_t kept_second = UINT64_MAX;

    if (second != kept_second) {
        const struct tm *tm = utc_of_second(second);

        memcpy(kept, "0000-00-00T00:00:00", sizeof(kept));
        put_digits(kept, (unsigned)tm->tm_year + 1900u, 4);
        put_digits(kept + 5, (unsigned)tm->tm_mon + 1u, 2);
        put_digits(kept + 8, (unsigned)tm->tm_mday, 2);
        put_digits(kept + 11, (unsigned)tm->tm_hour, 2);
        put_digits(kept + 14, (unsigned)tm->tm_min, 2);
        put_digits(kept + 17, (unsigned)tm->tm_sec, 2);
        kept_second = second;
    }
    return kept;
}

size_t now_format_utc(uint64_t when_us, int digits, char *out, size_t size)
{
    uint64_t fraction = when_us % 1000000u;
    size_t len = UTC_SECOND_BYTES;

    CHECK(size >= 32 && digits >= 0 && digits <= 6);
    memcpy(out, text_of_second(when_us / 1000000u), UTC_SECOND_BYTES);
    if (digits > 0) {
        for (int i = 6; i > digits; i--) {
            fraction /= 10;
        }
        out[len++] = '.';
        put_digits(out + len, (unsigned)fraction, (size_t)digits);
        len += (size_t)digits;
    }
    out[len++] = 'Z';
    out[len] = '\0';
    return len;
}

const char *now_http_date(void)
{
    /* Names by hand: strftime() would follow the locale. */
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    static __thread char date[32];
    static __thread uint64_t date_second = UINT64_MAX;
    uint64_t second = now_wall_us() / 1000000u;

    if (second != date_second) {
        const struct tm *tm = utc_of_second(second);

        memcpy(date, "Sun, 00 Jan 0000 00:00:00 GMT", 30);
        memcpy(date, days[tm->tm_wday], 3);
        put_digits(date + 5, (unsigned)tm->tm_mday, 2);
        memcpy(date + 8, months[tm->tm_mon], 3);
        put_digits(date + 12, (unsigned)tm->tm_year + 1900u, 4);
        put_digits(date + 17, (unsigned)tm->tm_hour, 2);
        put_digits(date + 20, (unsigned)tm->tm_min, 2);
        put_digits(date + 23, (unsigned)tm->tm_sec, 2);
        date_second = second;
    }
    return date;
}
