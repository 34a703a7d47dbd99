#include "CCurl.h"

#include <dlfcn.h>
#include <stddef.h>

// The functions of libcurl that are used, each as (name, result, parameters, arguments).
#define FUNCTIONS(F)                                                                                                   \
    F(curl_easy_init, CURL *, (void), ())                                                                              \
    F(curl_easy_strerror, const char *, (CURLcode code), (code))                                                       \
    F(curl_slist_append, struct curl_slist *, (struct curl_slist * list, const char *text), (list, text))              \
    F(curl_multi_init, CURLM *, (void), ())                                                                            \
    F(curl_multi_add_handle, CURLMcode, (CURLM * multi, CURL * easy), (multi, easy))                                   \
    F(curl_multi_remove_handle, CURLMcode, (CURLM * multi, CURL * easy), (multi, easy))                                \
    F(curl_multi_cleanup, CURLMcode, (CURLM * multi), (multi))                                                         \
    F(curl_multi_info_read, CURLMsg *, (CURLM * multi, int *left), (multi, left))                                      \
    F(curl_multi_socket_action, CURLMcode, (CURLM * multi, curl_socket_t socket, int events, int *running),            \
      (multi, socket, events, running))

#define POINTER(name, result, parameters, arguments) result(*name) parameters;
static struct {
    FUNCTIONS(POINTER)
    CURLcode (*curl_global_init)(long flags);
    void (*curl_easy_cleanup)(CURL *easy);
    void (*curl_slist_free_all)(struct curl_slist *list);
    CURLcode (*curl_easy_setopt)(CURL *easy, CURLoption option, ...);
    CURLcode (*curl_easy_getinfo)(CURL *easy, CURLINFO info, ...);
    CURLMcode (*curl_multi_setopt)(CURLM *multi, CURLMoption option, ...);
} library;

#define LOAD(name, result, parameters, arguments)                                                                      \
    if (!(*(void **)&library.name = dlsym(handle, #name))) return CURLE_FAILED_INIT;

/// Also loads the library. Once a process, on one thread.
CURLcode curl_global_init(long flags) {
    void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!handle) return CURLE_FAILED_INIT;
    FUNCTIONS(LOAD)
    LOAD(curl_global_init, , , )
    LOAD(curl_easy_cleanup, , , )
    LOAD(curl_slist_free_all, , , )
    LOAD(curl_easy_setopt, , , )
    LOAD(curl_easy_getinfo, , , )
    LOAD(curl_multi_setopt, , , )
    return library.curl_global_init(flags);
}

#define FORWARD(name, result, parameters, arguments)                                                                   \
    result name parameters { return library.name arguments; }
FUNCTIONS(FORWARD)

void curl_easy_cleanup(CURL *easy) { library.curl_easy_cleanup(easy); }
void curl_slist_free_all(struct curl_slist *list) { library.curl_slist_free_all(list); }

#define SET(name, type)                                                                                                \
    CURLcode name(CURL *easy, CURLoption option, type value) { return library.curl_easy_setopt(easy, option, value); }
SET(ccurl_set_long, long)
SET(ccurl_set_offset, curl_off_t)
SET(ccurl_set_text, const char *)
SET(ccurl_set_pointer, void *)
SET(ccurl_set_list, struct curl_slist *)
SET(ccurl_set_bytes, curl_write_callback)

CURLcode ccurl_set_open_socket(CURL *easy, curl_opensocket_callback value) {
    return library.curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, value);
}
CURLcode ccurl_set_close_socket(CURL *easy, curl_closesocket_callback value) {
    return library.curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, value);
}
CURLcode ccurl_set_before_request(CURL *easy, curl_prereq_callback value) {
    return library.curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, value);
}
CURLcode ccurl_get_long(CURL *easy, CURLINFO info, long *value) {
    return library.curl_easy_getinfo(easy, info, value);
}
CURLcode ccurl_get_offset(CURL *easy, CURLINFO info, curl_off_t *value) {
    return library.curl_easy_getinfo(easy, info, value);
}
CURLMcode ccurl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return library.curl_multi_setopt(multi, option, value);
}
CURLMcode ccurl_multi_set_pointer(CURLM *multi, CURLMoption option, void *value) {
    return library.curl_multi_setopt(multi, option, value);
}
CURLMcode ccurl_multi_set_socket(CURLM *multi, curl_socket_callback value) {
    return library.curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, value);
}
CURLMcode ccurl_multi_set_timer(CURLM *multi, curl_multi_timer_callback value) {
    return library.curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, value);
}
