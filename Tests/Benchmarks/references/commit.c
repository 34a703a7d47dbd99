// What the disk and SQLite allow: rows of the kinds that Pushgate keeps, written by one thread, without a socket, without
// JSON and without a thread. Same pragmas, same keys, same indexes, texts of the same size.
//
//   commit FILE TRANSFERS GROUP RECORDS KEYS ROWS [FIRST]
//
// TRANSFERS of RECORDS records each; a commit every GROUP transfers, or every 1,000 records of a larger one. With FIRST,
// a transfer of so many records goes before and is not timed. KEYS is `order` or `random`: how internal ids follow one
// another. ROWS says what is written, each with all that is named before it:
//
//   accept  a transfer row with its two indexes, and a record row each record: what is on disk when a push is answered;
//   whole   an intent for each hundred records, or each GROUP of smaller transfers, inserted with its plan and settled,
//           with the transfer's counts; an outcome (with the record as the
//           provider returned it) and a ledger row each record; a data event for each 200 records, a
//           completed event, and the transfer's end. That is the whole of the gateway's store;
//   local   FILE-local, the file of the provider `local`, in commits of its own of 1,000 records: a record row, two match
//           keys (e-mail, name; moved in order of key once 16,384 are there), an effect row each record, and for each
//           hundred records the stored answer that repeats them;
//   again   the rows of `whole` without intents for transfers that are the same as one before, which is not timed.
//
// Prints {"seconds": S, "cpu": S, "commits": N, "each": [[seconds, cpu] …]}, the last for each of few large transfers.

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { page = 200, slice = 1000, batch = 100, moved = 16384, cut = 64 << 20, shown = 200 };

static const char *schema =
    "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
    "PRAGMA cache_size=-8192; PRAGMA wal_autocheckpoint=0;"
    "CREATE TABLE transfer(number INTEGER PRIMARY KEY, id BLOB, session INTEGER, account INTEGER, revision INTEGER,"
    " type TEXT, records INTEGER, created INTEGER, completed INTEGER, a INTEGER, b INTEGER, c INTEGER, d INTEGER,"
    " e INTEGER, f INTEGER, g INTEGER, h INTEGER);"
    "CREATE UNIQUE INDEX by_id ON transfer(id); CREATE INDEX open ON transfer(number) WHERE completed IS NULL;"
    "CREATE TABLE record(transfer INTEGER, ordinal INTEGER, top INTEGER, parent INTEGER, children INTEGER,"
    " below INTEGER, type INTEGER, given TEXT, internal TEXT, data BLOB, sum INTEGER, PRIMARY KEY(transfer, ordinal))"
    " WITHOUT ROWID;"
    "CREATE TABLE outcome(transfer INTEGER, ordinal INTEGER, kind INTEGER, remote TEXT, basis TEXT, warnings BLOB,"
    " finished INTEGER, data BLOB, sum INTEGER, PRIMARY KEY(transfer, ordinal)) WITHOUT ROWID;"
    "CREATE TABLE intent(id INTEGER PRIMARY KEY, account INTEGER, resource TEXT, created INTEGER, attempt INTEGER,"
    " settled INTEGER, plan BLOB);"
    "CREATE TABLE ledger(scope INTEGER, resource TEXT, internal TEXT, remote TEXT, confirmed INTEGER, sum INTEGER,"
    " PRIMARY KEY(scope, resource, internal)) WITHOUT ROWID;"
    "CREATE TABLE event(number INTEGER PRIMARY KEY, time INTEGER, kind INTEGER, session INTEGER, transfer INTEGER,"
    " first INTEGER, past INTEGER, flags INTEGER, error INTEGER, counts TEXT)";

static const char *provider_schema =
    "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16384;"
    "PRAGMA wal_autocheckpoint=0;"
    "CREATE TABLE record(id INTEGER PRIMARY KEY, resource TEXT NOT NULL, created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL, fields TEXT NOT NULL) STRICT;"
    "CREATE TABLE match_key(resource TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, id INTEGER NOT NULL,"
    " PRIMARY KEY(resource, field, value, id)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE recent_match_key(resource TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL,"
    " id INTEGER NOT NULL, PRIMARY KEY(resource, field, value, id)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE answer(seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, at INTEGER NOT NULL,"
    " checksum INTEGER NOT NULL, length INTEGER NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL) STRICT;"
    "CREATE TABLE effect(seq INTEGER PRIMARY KEY, key TEXT NOT NULL, op TEXT NOT NULL, resource TEXT NOT NULL,"
    " id INTEGER NOT NULL, at INTEGER NOT NULL, to_resource TEXT, to_id INTEGER) STRICT";

static const char *texts[] = {
    "INSERT INTO transfer VALUES(?1,?2,1,1,1,'crm-contact',?3,1750000000000,NULL,0,0,0,0,0,0,0,1)",
    "INSERT INTO record VALUES(?1,?2,?2,-1,0,0,0,NULL,?3,?4,?5)",
    "INSERT INTO intent VALUES(?1,1,'contacts',1750000000000,1,NULL,?2)",
    "UPDATE intent SET settled=1750000000001, plan=x'' WHERE id=?1",
    "INSERT INTO outcome VALUES(?1,?2,?6,?3,NULL,x'',1750000000001,?4,?5)",
    "REPLACE INTO ledger VALUES(1,'contacts',?1,?2,1750000000001,?3)",
    "INSERT INTO event VALUES(?1,1750000000001,?2,1,?3,?4,?5,1,NULL,NULL)",
    "UPDATE transfer SET a=?2, g=?2 WHERE number=?1",
    "UPDATE transfer SET completed=1750000000001, a=?2, g=?2 WHERE number=?1",
    // Of the provider's file.
    "INSERT INTO record VALUES(?1,'contacts',1750000000000,1750000000000,?2)",
    "INSERT OR IGNORE INTO recent_match_key VALUES('contacts',?1,?2,?3)",
    "INSERT INTO effect(key,op,resource,id,at) VALUES(?1,'create','contacts',?2,1750000000000)",
    "INSERT INTO answer(key,at,checksum,length,status,body) VALUES(?1,1750000000000,?2,30000,200,?3)",
};
enum {
    transfer, record, intent, settlement, outcome, ledger, event, advance, completion, remote_record, match_key, effect,
    answer, statements
};
enum rows { accepting, whole, with_provider, again };

static sqlite3 *database, *provider;
static sqlite3_stmt *prepared[statements];
static int log_pages, provider_pages, recent;
static long commits;
static sqlite3_int64 numbers[3];  // of intents, of events, of records
static char answers[batch * 640];

static void must(int is_good) {
    if (is_good) return;
    fprintf(stderr, "commit: %s, %s\n", sqlite3_errmsg(database), provider ? sqlite3_errmsg(provider) : "");
    exit(1);
}

static void run(int which) {
    must(sqlite3_step(prepared[which]) == SQLITE_DONE);
    sqlite3_reset(prepared[which]);
}

static void number(int which, int place, sqlite3_int64 value) { sqlite3_bind_int64(prepared[which], place, value); }
static void text(int which, int place, const char *value) {
    sqlite3_bind_text(prepared[which], place, value, -1, SQLITE_STATIC);
}

static int count_pages(void *context, sqlite3 *connection, const char *name, int pages) {
    (void)connection, (void)name;
    *(int *)context = pages;
    return SQLITE_OK;
}

static void execute(sqlite3 *file, const char *sql) { must(sqlite3_exec(file, sql, NULL, NULL, NULL) == SQLITE_OK); }

static void commit(sqlite3 *file, int *pages) {
    execute(file, "COMMIT");
    commits++;
    if ((long)*pages * 4096 < cut) return;
    must(sqlite3_wal_checkpoint_v2(file, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK);
    *pages = 0;
}

// A permutation of 64 bits: keys without order that never meet twice.
static uint64_t scatter(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void write_match_key(const char *field, const char *value, sqlite3_int64 id) {
    text(match_key, 1, field), text(match_key, 2, value), number(match_key, 3, id);
    run(match_key);
    recent++;
}

static void write_provider(
    const char *fields, const char *returned, const char *key, long n, int ordinal, int is_last) {
    static size_t held;
    char value[64], line[640];
    number(remote_record, 1, n + 101), text(remote_record, 2, fields);
    run(remote_record);
    snprintf(value, sizeof value, "person%ld@example.com", n);
    write_match_key("email", value, n + 101);
    snprintf(value, sizeof value, "ann example %ld", n);
    write_match_key("full_name", value, n + 101);
    text(effect, 1, key), number(effect, 2, n + 101);
    run(effect);
    int size = snprintf(
        line, sizeof line, "{\"trace\":%d,\"id\":\"%ld\",\"status\":\"created\",\"record\":%s},", ordinal % batch, n + 101,
        returned);
    if (held + (size_t)size < sizeof answers) memcpy(answers + held, line, (size_t)size), held += (size_t)size;
    if ((ordinal + 1) % batch && !is_last) return;
    answers[held] = 0, held = 0;
    text(answer, 1, key), number(answer, 2, (sqlite3_int64)scatter((uint64_t)n)), text(answer, 3, answers);
    run(answer);
}

static void write_intent(sqlite3_int64 of, int first, int past) {
    static char plan[batch * 64];
    int size = snprintf(plan, sizeof plan, "{\"namespace\":\"\",\"items\":[");
    for (int i = first; i < past; i++)
        size += snprintf(
            plan + size, sizeof plan - (size_t)size, "{\"t\":%lld,\"o\":%d,\"n\":%d,\"f\":[0,1,2,3]},", of, i, i % batch);
    number(intent, 1, ++numbers[0]), sqlite3_bind_blob(prepared[intent], 2, plan, size, SQLITE_STATIC);
    run(intent);
    number(settlement, 1, numbers[0]);
    run(settlement);
}

static void write_record(sqlite3_int64 of, int ordinal, int is_last, int is_random, enum rows rows) {
    long n = (long)numbers[2]++;
    char key[32], remote[32], data[256], returned[512], mark[32];
    snprintf(key, sizeof key, "%016llx", (unsigned long long)(is_random ? scatter((uint64_t)n + 1) : (uint64_t)n));
    snprintf(remote, sizeof remote, "%ld", n + 101);
    int size = snprintf(
        data, sizeof data,
        "{\"first_name\":\"Ann\",\"last_name\":\"Example %ld\",\"email\":\"person%ld@example.com\",\"job_title\":\"Buyer\"}", n,
        n);
    number(record, 1, of), number(record, 2, ordinal), text(record, 3, key);
    number(record, 5, (sqlite3_int64)scatter((uint64_t)n));
    sqlite3_bind_blob(prepared[record], 4, data, size, SQLITE_STATIC);
    run(record);
    if (rows == accepting) return;
    size = snprintf(
        returned, sizeof returned,
        "{\"id\":\"%s\",\"created_at\":\"2026-03-01T12:00:00.000Z\",\"updated_at\":\"2026-03-01T12:00:00.000Z\",\"fields\":%s,"
        "\"associations\":{}}", remote, data);
    number(outcome, 1, of), number(outcome, 2, ordinal), text(outcome, 3, remote), number(outcome, 6, rows == again ? 3 : 1);
    sqlite3_bind_blob(prepared[outcome], 4, returned, size, SQLITE_STATIC);
    number(outcome, 5, (sqlite3_int64)scatter((uint64_t)n));
    run(outcome);
    text(ledger, 1, key), text(ledger, 2, remote), number(ledger, 3, (sqlite3_int64)scatter((uint64_t)n));
    run(ledger);
    snprintf(mark, sizeof mark, "%lld", numbers[0] + 1);
    if (rows == with_provider) write_provider(data, returned, mark, n, ordinal, is_last);
    if ((ordinal + 1) % batch && !(is_last && ordinal >= batch)) return;
    if (rows != again) write_intent(of, ordinal / batch * batch, ordinal + 1);
    number(advance, 1, of), number(advance, 2, ordinal + 1);
    run(advance);
}

static void write_event(sqlite3_int64 of, int kind, int first, int past) {
    number(event, 1, ++numbers[1]), number(event, 2, kind), number(event, 3, of);
    number(event, 4, first), number(event, 5, past);
    run(event);
}

static void begin(enum rows rows) {
    execute(database, "BEGIN IMMEDIATE");
    if (rows == with_provider) execute(provider, "BEGIN IMMEDIATE");
}

// The provider's first: what it has done is known before its outcome is kept.
static void end(enum rows rows) {
    if (rows == with_provider) {
        if (recent >= moved) {
            execute(provider, "INSERT OR IGNORE INTO match_key SELECT * FROM recent_match_key; DELETE FROM recent_match_key");
            recent = 0;
        }
        commit(provider, &provider_pages);
    }
    commit(database, &log_pages);
}

static void write_transfer(sqlite3_int64 of, int records, int is_random, enum rows rows) {
    unsigned char bytes[12] = {0};
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(of >> (56 - 8 * i));
    number(transfer, 1, of), number(transfer, 3, records);
    sqlite3_bind_blob(prepared[transfer], 2, bytes, sizeof bytes, SQLITE_STATIC);
    run(transfer);
    for (int i = 0; i < records; i++) {
        write_record(of, i, i + 1 == records, is_random, rows);
        if (rows != accepting && (i + 1) % page == 0) write_event(of, 1, i + 1 - page, i + 1);
        if ((i + 1) % slice || i + 1 == records) continue;
        end(rows);
        begin(rows);
    }
    if (rows == accepting) return;
    if (records % page) write_event(of, 1, records / page * page, records);
    write_event(of, 2, 0, 0);
    number(completion, 1, of), number(completion, 2, records);
    run(completion);
}

static double seconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void open_files(const char *path, enum rows rows) {
    must(sqlite3_open(path, &database) == SQLITE_OK);
    execute(database, schema);
    sqlite3_wal_hook(database, count_pages, &log_pages);
    if (rows == with_provider) {
        char beside[512];
        snprintf(beside, sizeof beside, "%s-local", path);
        must(sqlite3_open(beside, &provider) == SQLITE_OK);
        execute(provider, provider_schema);
        sqlite3_wal_hook(provider, count_pages, &provider_pages);
    }
    for (int i = 0; i < (provider ? statements : remote_record); i++)
        must(sqlite3_prepare_v2(i < remote_record ? database : provider, texts[i], -1, &prepared[i], NULL) == SQLITE_OK);
}

int main(int count, char **words) {
    if (count != 7 && count != 8) return 64;
    long transfers = atol(words[2]), group = atol(words[3]), first = count == 8 ? atol(words[7]) : 0, done = 0;
    int records = atoi(words[4]), is_random = !strcmp(words[5], "random");
    const char *names[] = {"accept", "whole", "local", "again"};
    enum rows rows = accepting;
    while (rows <= again && strcmp(words[6], names[rows])) rows++;
    if (group < 1 || records < 1 || rows > again || (rows == with_provider && records < batch)) return 64;
    open_files(words[1], rows);
    if (rows == again) first = records;
    if (first) {
        begin(rows);
        write_transfer(++done, (int)first, is_random, rows == again ? whole : rows);
        end(rows);
        transfers++;
    }
    double start = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_PROCESS_CPUTIME_ID);
    static double each[shown][2];
    int shows = transfers - done <= shown && records >= slice;
    long before = done, commits_before = commits;
    while (done < transfers) {
        begin(rows);
        for (long i = 0; i < group && done < transfers; i++) {
            if (rows == again) numbers[2] = 0;
            write_transfer(++done, records, is_random, rows);
        }
        // Small transfers go to the provider together.
        if (records < batch && rows == whole) write_intent(done, 0, (int)(group < batch ? group : batch));
        end(rows);
        if (!shows) continue;
        each[done - before - 1][0] = seconds(CLOCK_MONOTONIC) - start;
        each[done - before - 1][1] = seconds(CLOCK_PROCESS_CPUTIME_ID) - used;
    }
    printf(
        "{\"seconds\": %.6f, \"cpu\": %.6f, \"commits\": %ld, \"each\": [", seconds(CLOCK_MONOTONIC) - start,
        seconds(CLOCK_PROCESS_CPUTIME_ID) - used, commits - commits_before);
    for (long i = 0; shows && i < done - before; i++) printf("%s[%.6f, %.6f]", i ? ", " : "", each[i][0], each[i][1]);
    printf("]}\n");
    for (int i = 0; i < statements; i++) sqlite3_finalize(prepared[i]);
    if (provider && sqlite3_close(provider) != SQLITE_OK) return 1;
    return sqlite3_close(database) == SQLITE_OK ? 0 : 1;
}
