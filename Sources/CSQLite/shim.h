#pragma once
#include <sqlite3.h>

/// Sets an on/off option of a connection (SQLITE_DBCONFIG_…) and reads it back. Answers an SQLite result code;
/// SQLITE_MISUSE when the option was not taken. Swift cannot call sqlite3_db_config, which is variadic.
static inline int csqlite_switch(sqlite3 *database, int option, int on) {
    int taken = -1;
    int code = sqlite3_db_config(database, option, on, &taken);
    return code == SQLITE_OK && taken != on ? SQLITE_MISUSE : code;
}

/// Switches SQLite's own count of its memory off, for which every allocation of every thread takes one lock. To be called
/// before the first connection is opened; later it changes nothing, which is no failure. Swift cannot call
/// sqlite3_config, which is variadic.
static inline void csqlite_count_no_memory(void) { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }
