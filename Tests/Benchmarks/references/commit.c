// What the disk and SQLite allow: rows of the kinds that Pushgate's store keeps, written by one thread, without a
// socket, without JSON and without a second file. Same pragmas, same keys, same indexes.
//
//   commit FILE TRANSFERS GROUP RECORDS KEYS ROWS
//
// TRANSFERS of RECORDS records each; a commit every GROUP transfers, or every 1,000 records of a larger one.
// KEYS is `order` or `random`: how internal ids follow one another. ROWS is `accept` (transfer, record) or `whole`
// (also intent, outcome, ledger, events, and the transfer's end). Prints {"seconds": S, "commits": N}.

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { page = 200, slice = 1000, cut = 64 << 20 };

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

static const char *texts[] = {
    "INSERT INTO transfer VALUES(?1,?2,1,1,1,'crm-contact',?3,1750000000000,NULL,0,0,0,0,0,0,0,1)",
    "INSERT INTO record VALUES(?1,?2,?2,-1,0,0,0,NULL,?3,?4,?5)",
    "INSERT INTO intent VALUES(?1,1,'contacts',1750000000000,1,1750000000001,x'')",
    "INSERT INTO outcome VALUES(?1,?2,1,?3,NULL,x'',1750000000001,?4,?5)",
    "REPLACE INTO ledger VALUES(1,'contacts',?1,?2,1750000000001,?3)",
    "INSERT INTO event VALUES(?1,1750000000001,?2,1,?3,?4,?5,1,NULL,NULL)",
    "UPDATE transfer SET completed=1750000000001, a=?2, g=?2 WHERE number=?1",
};
enum { transfer, record, intent, outcome, ledger, event, completion, statements };

static sqlite3 *database;
static sqlite3_stmt *prepared[statements];
static int log_pages;
static long commits;
static sqlite3_int64 numbers[3];  // of intents, of events, of records

static void must(int is_good) {
    if (is_good) return;
    fprintf(stderr, "commit: %s\n", sqlite3_errmsg(database));
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
    (void)context, (void)connection, (void)name;
    log_pages = pages;
    return SQLITE_OK;
}

static void execute(const char *sql) { must(sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK); }

static void commit(void) {
    execute("COMMIT");
    commits++;
    if ((long)log_pages * 4096 < cut) return;
    must(sqlite3_wal_checkpoint_v2(database, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK);
    log_pages = 0;
}

// A permutation of 64 bits: keys without order that never meet twice.
static uint64_t scatter(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void write_record(sqlite3_int64 of, int ordinal, int is_random, int is_whole) {
    uint64_t n = (uint64_t)numbers[2]++;
    char key[32], remote[32], data[512];
    snprintf(key, sizeof key, "%016llx", (unsigned long long)(is_random ? scatter(n + 1) : n));
    snprintf(remote, sizeof remote, "%llu", (unsigned long long)n + 101);
    int size = snprintf(
        data, sizeof data, "{\"first_name\":\"Ann\",\"last_name\":\"Example\",\"email\":\"%s@example.com\"}", key);
    number(record, 1, of), number(record, 2, ordinal), text(record, 3, key);
    number(record, 5, (sqlite3_int64)scatter(n));
    sqlite3_bind_blob(prepared[record], 4, data, size, SQLITE_STATIC);
    run(record);
    if (!is_whole) return;
    number(outcome, 1, of), number(outcome, 2, ordinal), text(outcome, 3, remote);
    sqlite3_bind_blob(prepared[outcome], 4, data, size, SQLITE_STATIC);
    number(outcome, 5, (sqlite3_int64)scatter(n));
    run(outcome);
    text(ledger, 1, key), text(ledger, 2, remote), number(ledger, 3, (sqlite3_int64)scatter(n));
    run(ledger);
}

static void write_event(sqlite3_int64 of, int kind, int first, int past) {
    number(event, 1, ++numbers[1]), number(event, 2, kind), number(event, 3, of);
    number(event, 4, first), number(event, 5, past);
    run(event);
}

static void write_transfer(sqlite3_int64 of, int records, int is_random, int is_whole) {
    uint32_t id[3] = {(uint32_t)(of >> 32), (uint32_t)of, 0};
    unsigned char bytes[12];
    for (int i = 0; i < 12; i++) bytes[i] = (unsigned char)(id[i / 4] >> (24 - 8 * (i % 4)));
    number(transfer, 1, of), number(transfer, 3, records);
    sqlite3_bind_blob(prepared[transfer], 2, bytes, sizeof bytes, SQLITE_STATIC);
    run(transfer);
    for (int i = 0; i < records; i++) {
        write_record(of, i, is_random, is_whole);
        if (is_whole && (i + 1) % page == 0) write_event(of, 1, i + 1 - page, i + 1);
        if ((i + 1) % slice || i + 1 == records) continue;
        if (is_whole) number(intent, 1, ++numbers[0]), run(intent);
        commit();
        execute("BEGIN IMMEDIATE");
    }
    if (!is_whole) return;
    if (records % page) write_event(of, 1, records / page * page, records);
    write_event(of, 2, 0, 0);
    number(completion, 1, of), number(completion, 2, records);
    run(completion);
}

int main(int count, char **words) {
    if (count != 7) return 64;
    long transfers = atol(words[2]), group = atol(words[3]);
    int records = atoi(words[4]), is_random = !strcmp(words[5], "random"), is_whole = !strcmp(words[6], "whole");
    if (group < 1 || records < 1) return 64;
    must(sqlite3_open(words[1], &database) == SQLITE_OK);
    execute(schema);
    sqlite3_wal_hook(database, count_pages, NULL);
    for (int i = 0; i < statements; i++)
        must(sqlite3_prepare_v2(database, texts[i], -1, &prepared[i], NULL) == SQLITE_OK);
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long done = 0; done < transfers;) {
        execute("BEGIN IMMEDIATE");
        for (long i = 0; i < group && done < transfers; i++) write_transfer(++done, records, is_random, is_whole);
        if (is_whole) number(intent, 1, ++numbers[0]), run(intent);
        commit();
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
    printf("{\"seconds\": %.6f, \"commits\": %ld}\n", seconds, commits);
    for (int i = 0; i < statements; i++) sqlite3_finalize(prepared[i]);
    return sqlite3_close(database) == SQLITE_OK ? 0 : 1;
}
