// The same with simdjson: parse to its DOM, then visit every key and value.
// simd FILE ROUNDS prints {"seconds": S} for one round.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <simdjson.h>

using namespace simdjson;

static size_t walk(dom::element value) {
    switch (value.type()) {
    case dom::element_type::OBJECT: {
        size_t sum = 0;
        for (auto member : dom::object(value)) sum += member.key.size() + walk(member.value);
        return sum;
    }
    case dom::element_type::ARRAY: {
        size_t sum = 0;
        for (auto item : dom::array(value)) sum += walk(item);
        return sum;
    }
    case dom::element_type::STRING: return std::string_view(value).size();
    default: return 1;
    }
}

int main(int count, char **words) {
    if (count != 3 || atoi(words[2]) < 1) return 64;
    const int rounds = atoi(words[2]);
    padded_string text;
    if (padded_string::load(words[1]).get(text)) return 1;
    dom::parser parser;
    size_t sum = 0;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < rounds; i++) {
        dom::element root;
        if (parser.parse(text).get(root)) return 1;
        sum += walk(root);
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    std::printf("{\"seconds\": %.9f, \"sum\": %zu}\n", taken.count() / rounds, sum);
    return 0;
}
