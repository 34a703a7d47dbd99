#pragma once
// libcurl, loaded when it is first needed: with the two dozen libraries behind it, it takes 5 MB and some milliseconds of
// every start, and a gateway that only serves the embedded provider has no use for it. Its functions have their own names
// here and are defined in `curl.c`; nothing may be called before `curl_global_init` has answered CURLE_OK.
//
// Swift cannot call variadic functions: one wrapper a type of argument.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

CURLcode ccurl_set_long(CURL *easy, CURLoption option, long value);
CURLcode ccurl_set_offset(CURL *easy, CURLoption option, curl_off_t value);
CURLcode ccurl_set_text(CURL *easy, CURLoption option, const char *value);
CURLcode ccurl_set_pointer(CURL *easy, CURLoption option, void *value);
CURLcode ccurl_set_list(CURL *easy, CURLoption option, struct curl_slist *value);
CURLcode ccurl_set_bytes(CURL *easy, CURLoption option, curl_write_callback value);
CURLcode ccurl_set_open_socket(CURL *easy, curl_opensocket_callback value);
CURLcode ccurl_set_close_socket(CURL *easy, curl_closesocket_callback value);
CURLcode ccurl_set_before_request(CURL *easy, curl_prereq_callback value);
CURLcode ccurl_get_long(CURL *easy, CURLINFO info, long *value);
CURLcode ccurl_get_offset(CURL *easy, CURLINFO info, curl_off_t *value);
CURLMcode ccurl_multi_set_long(CURLM *multi, CURLMoption option, long value);
CURLMcode ccurl_multi_set_pointer(CURLM *multi, CURLMoption option, void *value);
CURLMcode ccurl_multi_set_socket(CURLM *multi, curl_socket_callback value);
CURLMcode ccurl_multi_set_timer(CURLM *multi, curl_multi_timer_callback value);
