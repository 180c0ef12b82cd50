/* A stand-in for libnvidia-ml.so and its clones, for the tests: it says what the file beside it says.
 *
 * Written from NVML's documented interface. Each line of `<library>.txt` is
 *     FUNCTION DEVICE CODE [VALUE...]
 * where FUNCTION may have a number (`DeviceGetClockInfo/1`, `Field/82`, `Gpm/2`) and DEVICE is an index, 100
 * and more for MIG devices, or -1 where none is meant. What has no line is not supported. The file is
 * read anew with each call, so that a test can change what happens. Built with KEPT it is read once and calls
 * are not noted, so that a benchmark measures the reader and not this. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef PREFIX
#define PREFIX nvml
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define F(name) JOIN(PREFIX, name)

#define NOT_SUPPORTED 3
#define INSUFFICIENT_SIZE 7
#define TIMEOUT 10
#define ARGUMENT_VERSION_MISMATCH 25
#define MAX 64

typedef unsigned int u32;
typedef unsigned long long u64;

struct answer {
    int code;
    int count;
    double values[MAX];
    char text[256];
};

static int F(PrivateHere);

static void calls(const char *name) {
#ifdef KEPT
    (void)name;
    return;
#endif
    Dl_info info;
    char path[4096];
    dladdr(&F(PrivateHere), &info);
    snprintf(path, sizeof path, "%s.calls", info.dli_fname);
    FILE *file = fopen(path, "a");
    if (file) {
        fprintf(file, "%s\n", name);
        fclose(file);
    }
}

static struct answer look_in_file(const char *name, long device) {
    struct answer answer = {NOT_SUPPORTED, 0, {0}, ""};
    Dl_info info;
    char path[4096], line[1024];
    dladdr(&F(PrivateHere), &info);
    snprintf(path, sizeof path, "%s.txt", info.dli_fname);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        char function[128];
        long of;
        int code, used = 0;
        if (sscanf(line, "%127s %ld %d%n", function, &of, &code, &used) < 3) continue;
        if (strcmp(function, name) != 0 || of != device) continue;
        answer.code = code;
        line[strcspn(line, "\n")] = 0;
        char *rest = line + used + (line[used] == ' ');
        snprintf(answer.text, sizeof answer.text, "%s", rest);
        for (char *end; answer.count < MAX; rest = end) {
            double value = strtod(rest, &end);
            if (end == rest) break;
            answer.values[answer.count++] = value;
        }
        break;
    }
    if (file) fclose(file);
    return answer;
}

#ifdef KEPT
#define PLACES 65536
#define KEPT_MAX 8192
static struct {
    char name[48];
    long device;
    struct answer answer;
} kept[KEPT_MAX];
static unsigned short places[PLACES], kept_count;

/* One thread at a time, as the reader has it. */
static struct answer look_quietly(const char *name, long device) {
    u32 at = 2166136261u + (u32)device;
    for (const char *c = name; *c; c++) at = (at ^ (u32)*c) * 16777619u;
    for (at %= PLACES; places[at]; at = (at + 1) % PLACES) {
        int found = places[at] - 1;
        if (kept[found].device == device && strcmp(kept[found].name, name) == 0)
            return kept[found].answer;
    }
    struct answer answer = look_in_file(name, device);
    if (kept_count == KEPT_MAX) return answer;
    snprintf(kept[kept_count].name, sizeof kept[kept_count].name, "%s", name);
    kept[kept_count].device = device;
    kept[kept_count].answer = answer;
    places[at] = ++kept_count;
    return answer;
}
#else
#define look_quietly look_in_file
#endif

static struct answer look(const char *name, long device) {
    calls(name);
    return look_quietly(name, device);
}

static struct answer look_at(const char *name, u32 number, long device) {
    char with[128];
    snprintf(with, sizeof with, "%s/%u", name, number);
    return look(with, device);
}

static void *handle(long index) { return (void *)(0x1000 + index); }
static long index_of(void *device) { return (long)device - 0x1000; }

/* One number for a device. */
#define NUMBER(name, type)                                  \
    int F(name)(void *device, type *out) {                  \
        struct answer a = look(#name, index_of(device));    \
        if (a.code == 0) *out = (type)a.values[0];          \
        return a.code;                                      \
    }
/* One number for a device and a number. */
#define NUMBER_OF(name, type)                                          \
    int F(name)(void *device, u32 number, type *out) {                 \
        struct answer a = look_at(#name, number, index_of(device));    \
        if (a.code == 0) *out = (type)a.values[0];                     \
        return a.code;                                                 \
    }
/* Two numbers for a device. */
#define PAIR(name)                                          \
    int F(name)(void *device, u32 *first, u32 *second) {    \
        struct answer a = look(#name, index_of(device));    \
        if (a.code != 0) return a.code;                     \
        *first = (u32)a.values[0];                          \
        *second = (u32)a.values[1];                         \
        return 0;                                           \
    }
#define TEXT(name)                                                  \
    int F(name)(void *device, char *out, u32 length) {              \
        struct answer a = look(#name, index_of(device));            \
        if (a.code == 0) snprintf(out, length, "%s", a.text);       \
        return a.code;                                              \
    }

#ifdef OLD
int F(Init)(void) { return look("Init", -1).code; }
#else
int F(Init_v2)(void) { return look("Init", -1).code; }
#endif
int F(Shutdown)(void) { return look("Shutdown", -1).code; }

int F(DeviceGetCount_v2)(u32 *out) {
    struct answer a = look("DeviceGetCount", -1);
    *out = (u32)a.values[0];
    return a.code;
}

int F(SystemGetDriverVersion)(char *out, u32 length) {
    struct answer a = look("SystemGetDriverVersion", -1);
    snprintf(out, length, "%s", a.text);
    return a.code;
}

int F(DeviceGetHandleByIndex_v2)(u32 index, void **out) {
    struct answer a = look("DeviceGetHandleByIndex", index);
    *out = handle(index);
    return a.code;
}

TEXT(DeviceGetUUID)
TEXT(DeviceGetName)
NUMBER(DeviceGetPowerUsage, u32)
NUMBER_OF(DeviceGetTemperature, u32)
NUMBER_OF(DeviceGetClockInfo, u32)

int F(DeviceGetUtilizationRates)(void *device, u32 *out) {
    struct answer a = look("DeviceGetUtilizationRates", index_of(device));
    if (a.code != 0) return a.code;
    out[0] = (u32)a.values[0];
    out[1] = (u32)a.values[1];
    return 0;
}

/* Total, free, used. */
int F(DeviceGetMemoryInfo)(void *device, u64 *out) {
    struct answer a = look("DeviceGetMemoryInfo", index_of(device));
    for (int i = 0; a.code == 0 && i < 3; i++) out[i] = (u64)a.values[i];
    return a.code;
}

/* Nanoseconds, after the time of the reading. */
int F(DeviceGetViolationStatus)(void *device, u32 policy, u64 *out) {
    struct answer a = look_at("DeviceGetViolationStatus", policy, index_of(device));
    out[0] = 12345;
    out[1] = (u64)a.values[0];
    return a.code;
}

static int processes(void *device, u32 *count, char *out, size_t size) {
    struct answer a = look("DeviceGetComputeRunningProcesses", index_of(device));
    /* A list that repeats its first process this many times. */
    struct answer many = look_quietly("Many", index_of(device));
    u32 length = many.code == 0 ? (u32)many.values[0] : (u32)a.count / 2;
    u32 room = *count;
    *count = length;
    if (a.code != 0) return a.code;
    if (length > room) return INSUFFICIENT_SIZE;
    for (u32 i = 0; i < length; i++) {
        double *of = many.code == 0 ? a.values : a.values + 2 * i;
        u32 pid = (u32)of[0] + (many.code == 0 ? i : 0);
        u64 bytes = of[1] < 0 ? ~0ULL : (u64)of[1];
        memcpy(out + i * size, &pid, 4);
        memcpy(out + i * size + 8, &bytes, 8);
    }
    return 0;
}

#ifdef OLD
int F(DeviceGetComputeRunningProcesses)(void *device, u32 *count, char *out) {
    return processes(device, count, out, 16);
}
int F(DeviceGetPciInfo)(void *device, char *out) {
    struct answer a = look("DeviceGetPciInfo", index_of(device));
    if (a.code == 0) snprintf(out, 16, "%s", a.text);
    return a.code;
}
NUMBER(DeviceGetCurrentClocksThrottleReasons, u64)
NUMBER_OF(DeviceGetNothing, u32)
int F(DeviceGetTotalEccErrors)(void *device, u32 kind, u32 scope, u64 *out) {
    struct answer a = look_at("DeviceGetTotalEccErrors", kind * 10 + scope, index_of(device));
    *out = (u64)a.values[0];
    return a.code;
}
#else
int F(DeviceGetComputeRunningProcesses_v3)(void *device, u32 *count, char *out) {
    return processes(device, count, out, 24);
}
int F(DeviceGetPciInfo_v3)(void *device, char *out) {
    struct answer a = look("DeviceGetPciInfo", index_of(device));
    if (a.code == 0) snprintf(out + 36, 32, "%s", a.text);
    return a.code;
}
/* Total, reserved, free, used. */
int F(DeviceGetMemoryInfo_v2)(void *device, u64 *out) {
    struct answer a = look("DeviceGetMemoryInfo_v2", index_of(device));
    if (*(u32 *)out != 0x02000028) return ARGUMENT_VERSION_MISMATCH;
    for (int i = 0; a.code == 0 && i < 4; i++) out[i + 1] = (u64)a.values[i];
    return a.code;
}
int F(SystemGetNVMLVersion)(char *out, u32 length) {
    struct answer a = look("SystemGetNVMLVersion", -1);
    snprintf(out, length, "%s", a.text);
    return a.code;
}
TEXT(DeviceGetSerial)
TEXT(DeviceGetVbiosVersion)
NUMBER(DeviceGetTotalEnergyConsumption, u64)
NUMBER(DeviceGetCurrentClocksEventReasons, u64)
NUMBER(DeviceGetPerformanceState, u32)
NUMBER(DeviceGetFanSpeed, u32)
int F(DeviceGetFanSpeedRPM)(void *device, u32 *fan) {
    struct answer a = look("DeviceGetFanSpeedRPM", index_of(device));
    if (fan[0] != 0x0100000c || fan[1] != 0) return ARGUMENT_VERSION_MISMATCH;
    if (a.code == 0) fan[2] = (u32)a.values[0];
    return a.code;
}

struct feature {
    u32 code, state;
    char info[128], product[128];
    u32 enabled;
    u32 year;
    unsigned short month, day, hour, minute, second;
    unsigned char status;
};
/* Whether licences exist at all, then for each feature whether it is on and whether it is licensed. */
int F(DeviceGetGridLicensableFeatures_v4)(void *device, char *out) {
    struct answer a = look("DeviceGetGridLicensableFeatures", index_of(device));
    u32 *head = (u32 *)out;
    struct feature *features = (struct feature *)(out + 8);
    if (a.code != 0) return a.code;
    head[0] = (u32)a.values[0];
    head[1] = (u32)(a.count - 1) / 2;
    for (u32 i = 0; i < head[1]; i++) {
        features[i].enabled = (u32)a.values[1 + 2 * i];
        features[i].state = (u32)a.values[2 + 2 * i];
    }
    return 0;
}
NUMBER(DeviceGetNumaNodeId, u32)
NUMBER(DeviceGetEnforcedPowerLimit, u32)
NUMBER(DeviceGetCurrPcieLinkGeneration, u32)
NUMBER(DeviceGetCurrPcieLinkWidth, u32)
NUMBER(DeviceGetMaxPcieLinkGeneration, u32)
NUMBER(DeviceGetMaxPcieLinkWidth, u32)
NUMBER(DeviceGetPcieReplayCounter, u32)
NUMBER(DeviceGetMaxMigDeviceCount, u32)
NUMBER(DeviceGetGpuInstanceId, u32)
NUMBER(DeviceGetComputeInstanceId, u32)
NUMBER_OF(DeviceGetMaxClockInfo, u32)
NUMBER_OF(DeviceGetTemperatureThreshold, u32)
NUMBER_OF(DeviceGetNvLinkState, u32)
PAIR(DeviceGetEncoderUtilization)
PAIR(DeviceGetDecoderUtilization)
PAIR(DeviceGetMigMode)

int F(DeviceGetMigDeviceHandleByIndex)(void *device, u32 index, void **out) {
    long mig = 100 + 10 * index_of(device) + index;
    struct answer a = look("DeviceGetMigDeviceHandleByIndex", mig);
    *out = handle(mig);
    return a.code;
}

struct field {
    u32 id, scope;
    u64 time, latency;
    u32 type;
    int code;
    u64 value;
};

int F(DeviceGetFieldValues)(void *device, int count, struct field *fields) {
    struct answer whole = look("DeviceGetFieldValues", index_of(device));
    for (int i = 0; whole.code == 0 && i < count; i++) {
        struct answer a = look_at("Field", fields[i].id, index_of(device));
        fields[i].code = a.code;
        /* 64 bits, unless the second value names another type. */
        fields[i].type = a.count > 1 ? (u32)a.values[1] : 3;
        fields[i].value = (u64)a.values[0];
    }
    return whole.code;
}

struct utilization {
    u32 pid;
    u64 time;
    u32 sm, memory, encoder, decoder;
};

int F(DeviceGetProcessUtilization)(void *device, struct utilization *out, u32 *count, u64 since) {
    struct answer a = look("DeviceGetProcessUtilization", index_of(device));
    u32 room = *count, length = (u32)a.count / 3, used = 0;
    *count = length;
    if (a.code != 0) return a.code;
    if (length > room) return INSUFFICIENT_SIZE;
    for (u32 i = 0; i < length; i++) {
        double *of = a.values + 3 * i;
        if ((u64)of[1] <= since) continue;
        out[used++] = (struct utilization){(u32)of[0], (u64)of[1], (u32)of[2], 0, 0, 0};
    }
    *count = used;
    return used ? 0 : 6;
}

int F(GpmQueryDeviceSupport)(void *device, u32 *out) {
    struct answer a = look("GpmQueryDeviceSupport", index_of(device));
    if (out[0] != 1) return ARGUMENT_VERSION_MISMATCH;
    out[1] = (u32)a.values[0];
    return a.code;
}
int F(GpmSampleAlloc)(void **out) {
    calls("GpmSampleAlloc");
    *out = calloc(1, sizeof(long));
    return 0;
}
int F(GpmSampleFree)(void *sample) {
    calls("GpmSampleFree");
    free(sample);
    return 0;
}
int F(GpmSampleGet)(void *device, long *sample) {
    struct answer a = look("GpmSampleGet", index_of(device));
    *sample = 1 + index_of(device);
    return a.code;
}
int F(GpmMigSampleGet)(void *device, u32 instance, long *sample) {
    struct answer a = look_at("GpmMigSampleGet", instance, index_of(device));
    *sample = 1 + 1000 + instance;
    return a.code;
}

struct metric {
    u32 id;
    int code;
    double value;
    void *names[3];
};
struct metrics {
    u32 version, count;
    long *older, *newer;
    struct metric metrics[];
};

int F(GpmMetricsGet)(struct metrics *get) {
    long device = *get->newer - 1;
    if (get->version != 1) return ARGUMENT_VERSION_MISMATCH;
    /* Both must be samples, and different ones, of the same device. */
    if (get->older == get->newer || *get->older != *get->newer) return 2;
    struct answer whole = look("GpmMetricsGet", device);
    for (u32 i = 0; whole.code == 0 && i < get->count; i++) {
        struct answer a = look_at("Gpm", get->metrics[i].id, device);
        get->metrics[i].code = a.code;
        get->metrics[i].value = a.values[0];
    }
    return whole.code;
}

struct event {
    void *device;
    u64 type, data;
    u32 gpu_instance, compute_instance;
};

int F(EventSetCreate)(void **out) {
    struct answer a = look("EventSetCreate", -1);
    *out = &F(PrivateHere);
    return a.code;
}
int F(EventSetFree)(void *set) {
    calls("EventSetFree");
    return set == &F(PrivateHere) ? 0 : 2;
}
int F(DeviceRegisterEvents)(void *device, u64 mask, void *set) {
    struct answer a = look("DeviceRegisterEvents", index_of(device));
    return mask == 8 && set == &F(PrivateHere) ? a.code : 2;
}
/* `Event -1 0 DEVICE XID NUMBER` happens once for each new number. */
int F(EventSetWait_v2)(void *set, struct event *out, u32 milliseconds) {
    static double happened;
    (void)set;
    (void)milliseconds;
#ifdef KEPT
    usleep(1000 * milliseconds);
    return TIMEOUT;
#endif
    struct answer a = look_quietly("Event", -1);
    if (a.code == 0 && a.values[2] > happened) {
        happened = a.values[2];
        calls("EventTold");
        *out = (struct event){handle((long)a.values[0]), 8, (u64)a.values[1], ~0U, ~0U};
        return 0;
    }
    usleep(10000);
    return a.code == NOT_SUPPORTED ? TIMEOUT : a.code ? a.code : TIMEOUT;
}
#endif
