#include "core/thread_pool.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/compiler.h"
#include "core/platform/float_environment.h"
#include "core/platform/processors.h"
#include "core/platform/threads.h"
#include "core/range.h"
#include "core/worker_thread.h"
#include "pyengine/error.h"

namespace pyengine {
namespace {

// Layers follow each other within microseconds, a condition variable takes tens of them to wake a
// thread: workers spin this long before they sleep.
constexpr int kSpins = 4000;

}  // namespace

// A loop's indices, dealt out to threads. One loop at a time.
class ThreadPool::Team {
 public:
  explicit Team(int threads) : shares_(static_cast<size_t>(std::max(threads, 1))) {}
  virtual ~Team() = default;
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  virtual int threads() const noexcept = 0;
  // Whether its threads live in this process.
  virtual bool present() const noexcept = 0;
  // False, and nothing done, if the team serves another caller.
  bool Run(int64_t n, Body body, void* context);

 protected:
  // What thread `thread` does of a loop: its share, then what the others have left.
  void Work(int thread);

 private:
  // Has Work called for every thread, the caller's included, and returns when no index is left.
  virtual void Serve() = 0;

  std::mutex busy_;  // held by the caller whose loop is served
  Body body_ = nullptr;
  void* context_ = nullptr;
  // A cache line each: threads count their own without disturbing the others.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  std::vector<Share> shares_;  // one per thread
};

bool ThreadPool::Team::Run(int64_t n, Body body, void* context) {
  const std::unique_lock<std::mutex> lock(busy_, std::try_to_lock);
  if (!lock) return false;
  body_ = body;
  context_ = context;
  for (int t = 0; t < threads(); ++t) {
    const Range share = EqualPart({.begin = 0, .end = n}, t, threads());
    shares_[t].next.store(share.begin, std::memory_order_relaxed);
    shares_[t].end = share.end;
  }
  Serve();
  return true;
}

void ThreadPool::Team::Work(int thread) {
  for (int k = 0; k < threads(); ++k) {
    Share& share = shares_[(thread + k) % threads()];
    for (;;) {
      const int64_t i = share.next.fetch_add(1, std::memory_order_relaxed);
      if (i >= share.end) break;
      body_(context_, i, thread);
    }
  }
}

// Threads that wait for loops.
class ThreadPool::Workers final : public Team {
 public:
  Workers(int threads, const ThreadPoolOptions& options);
  ~Workers() override;
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  int threads() const noexcept override { return static_cast<int>(workers_.size()) + 1; }
  bool present() const noexcept override { return forks_ == Forks(); }

 private:
  void Serve() override;
  void WorkerLoop(int thread);
  void End();

  const uint64_t forks_ = Forks();
  std::vector<std::thread> workers_;

  // The loop is written before `open_` is set, and read by workers that joined while it was.
  std::atomic<bool> open_{false};
  std::atomic<int> active_{0};  // workers inside the loop
  static constexpr uint64_t kEnded = ~uint64_t{0};
  std::atomic<uint64_t> generation_{0};  // counts loops; kEnded once the workers are to go

  std::mutex sleep_mutex_;
  std::condition_variable wake_;
  std::atomic<int> sleepers_{0};
};

ThreadPool::Workers::Workers(int threads, const ThreadPoolOptions& options) : Team(threads) {
  const std::vector<int> places = options.pin ? AllowedThreads().numbers : std::vector<int>();
  workers_.reserve(threads > 1 ? threads - 1 : 0);
  try {
    for (int i = 1; i < threads; ++i)
      workers_.push_back(
          StartWorker([this, i] { WorkerLoop(i); },
                      {.options = options.thread,
                       .pin = i < static_cast<int>(places.size()) ? places[i] : -1}));
  } catch (const Error&) {
    End();
    throw;
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // The system has no more threads, or no memory for one: the loops run on those that started.
  }
}

ThreadPool::Workers::~Workers() {
  End();
}

void ThreadPool::Workers::End() {
  {
    std::scoped_lock lock(sleep_mutex_);
    generation_.store(kEnded);
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::Workers::Serve() {
  open_.store(true);  // publishes the loop
  generation_.fetch_add(1);
  if (sleepers_.load() > 0) {
    // The empty section orders this wake-up after a sleeper's last look at `generation_`.
    {
      std::scoped_lock sleep(sleep_mutex_);
    }
    wake_.notify_all();
  }
  Work(0);
  // Every index is taken. Workers that have not joined by now find the loop closed: the caller
  // waits for those at work, never for one that the system has yet to wake. Both sides write one
  // flag and then read the other's, in one total order, so that one of them must notice.
  open_.store(false);
  // With more threads than cores a worker may need our core to finish.
  for (int spins = 0; active_.load() != 0; ++spins) {
    if (spins < kSpins)
      PYENGINE_PAUSE();
    else
      std::this_thread::yield();
  }
}

void ThreadPool::Workers::WorkerLoop(int thread) {
  const DefaultFloatEnvironment floats;
  uint64_t seen = 0;
  for (;;) {
    int spins = 0;
    while (generation_.load(std::memory_order_acquire) == seen) {
      if (++spins < kSpins) {
        PYENGINE_PAUSE();
        continue;
      }
      std::unique_lock<std::mutex> lock(sleep_mutex_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
      sleepers_.fetch_sub(1);
    }
    // Read once: a worker that was late for a loop may find the end here.
    seen = generation_.load(std::memory_order_acquire);
    if (seen == kEnded) return;
    active_.fetch_add(1);
    if (open_.load()) Work(thread);
    active_.fetch_sub(1);
  }
}

// Threads of the host's, which it sends when it is asked.
class ThreadPool::HostTasks final : public Team {
 public:
  HostTasks(int threads, RunTasksFn run) : Team(threads), threads_(threads), run_(std::move(run)) {}

  int threads() const noexcept override { return threads_; }
  bool present() const noexcept override { return true; }

 private:
  void Serve() override {
    run_(
        threads_,
        [](void* context, int64_t i) {
          const DefaultFloatEnvironment floats;
          static_cast<HostTasks*>(context)->Work(static_cast<int>(i));
        },
        this);
    Work(0);  // what the host has left undone
  }

  const int threads_;
  const RunTasksFn run_;
};

thread_local bool ThreadPool::alone_ = false;

ThreadPool::Team* ThreadPool::NewTeam(int threads, const ThreadPoolOptions& options) {
  if (options.run_tasks) return new HostTasks(threads, options.run_tasks);
  return new Workers(threads, options);
}

ThreadPool::ThreadPool(int threads, ThreadPoolOptions options)
    : options_(std::move(options)),
      team_(NewTeam(threads, options_)),
      threads_(team_.load()->threads()) {}

// A team of the parent's is left as it is: its workers cannot be joined here, nor its locks
// trusted.
ThreadPool::~ThreadPool() {
  Team* team = team_.load();
  if (team->present()) delete team;
}

ThreadPool::Team& ThreadPool::PresentTeam() {
  Team* team = team_.load(std::memory_order_acquire);
  if (team->present()) return *team;
  std::unique_ptr<Team> fresh(NewTeam(threads_, {.pin = options_.pin}));
  // Unless another caller was first.
  if (team_.compare_exchange_strong(team, fresh.get())) team = fresh.release();
  return *team;
}

void ThreadPool::Run(int64_t n, Body body, void* context) {
  if (n > 1 && threads_ > 1 && !alone_ && PresentTeam().Run(n, body, context)) return;
  for (int64_t i = 0; i < n; ++i) body(context, i, 0);
}

}  // namespace pyengine
