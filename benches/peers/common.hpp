// What the C++ drivers share: the command line, the system, the clock, the output.
//
// A driver is called as
//
//     DRIVER SYSTEM TASK PRECONDITIONER THREADS RTOL ITERATIONS ANSWER
//
// It reads the folder SYSTEM (see systems.py), does TASK (spmv, cg, gmres30, bicgstab, smallest, largest), writes the
// answer as raw f64 to the file ANSWER (y = A rhs; x; or ten eigenvalues and then their vectors), and prints one line
// of JSON. Reading is not timed. setup_s is the time from arrays in memory to a solver that is ready: the peer's own
// matrix and the preconditioner. solve_s is one solve from x = 0, after an untimed one of three iterations.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

template <class T> std::vector<T> read_array(const std::string& path, bool optional = false) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (!file) {
        if (optional) return {};
        throw std::runtime_error("can't read " + path);
    }
    std::fseek(file, 0, SEEK_END);
    std::vector<T> values(std::ftell(file) / sizeof(T));
    std::rewind(file);
    const size_t got = std::fread(values.data(), sizeof(T), values.size(), file);
    std::fclose(file);
    if (got != values.size()) throw std::runtime_error("short read of " + path);
    return values;
}

inline void write_array(const std::string& path, const std::vector<double>& values) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (!file || std::fwrite(values.data(), 8, values.size(), file) != values.size() || std::fclose(file))
        throw std::runtime_error("can't write " + path);
}

struct Job {
    std::string system, task, preconditioner, answer;
    int threads, iterations;
    double rtol;

    Job(int argc, char** argv) {
        if (argc < 8) throw std::runtime_error("DRIVER SYSTEM TASK PRECONDITIONER THREADS RTOL ITERATIONS ANSWER");
        system = argv[1], task = argv[2], preconditioner = argv[3], threads = std::atoi(argv[4]);
        rtol = std::atof(argv[5]), iterations = std::atoi(argv[6]), answer = argv[7];
    }
    // Nothing falls through in silence: what a driver can't do is an error.
    [[noreturn]] void unknown() const { throw std::runtime_error("can't do " + task + "/" + preconditioner); }
};

struct System {
    std::vector<int> rows, columns;
    std::vector<double> values, rhs, modes;
    int n;

    explicit System(const std::string& folder)
        : rows(read_array<int>(folder + "/rows.bin")), columns(read_array<int>(folder + "/columns.bin")),
          values(read_array<double>(folder + "/values.bin")), rhs(read_array<double>(folder + "/rhs.bin")),
          modes(read_array<double>(folder + "/modes.bin", true)), n(int(rows.size()) - 1) {}
};

inline double now() {
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

inline double timed(const std::function<void()>& work) {
    const double start = now();
    work();
    return now() - start;
}

// Median of at least 20 products over at least 0.3 s, after three that don't count. Ranks that must agree on the
// number pass how many it shall be.
inline double median_time(const std::function<void()>& product, int count = 0) {
    for (int k = 0; k < 3; ++k) product();
    std::vector<double> times;
    const double start = now();
    while (count ? int(times.size()) < count : times.size() < 20 || (now() - start < 0.3 && times.size() < 500))
        times.push_back(timed(product));
    std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
    return times[times.size() / 2];
}

inline void report(const std::string& version, double setup, double solve, long iterations) {
    std::printf("{\"version\": \"%s\", \"setup_s\": %.9g, \"solve_s\": %.9g, \"iterations\": %ld}\n", version.c_str(),
                setup, solve, iterations);
}

// Errors as one line on stderr and exit code 1.
inline int guarded(const std::function<void()>& run) {
    try {
        run();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
