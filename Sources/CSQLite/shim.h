#pragma once
#include <sqlite3.h>

/// Sets an on/off option of a connection (SQLITE_DBCONFIG_…) and reads it back. Answers an SQLite result code;
/// SQLITE_MISUSE when the option was not taken. Swift cannot call sqlite3_db_config, which is variadic.
static inline int csqlite_switch(sqlite3 *database, int option, int on) {
    int taken = -1;
    int code = sqlite3_db_config(database, option, on, &taken);
    return code == SQLITE_OK && taken != on ? SQLITE_MISUSE : code;
}
