#include "core/scheduler.h"

#include <chrono>

#include "core/cancellation.h"

namespace pyengine {
namespace {

thread_local Scheduler::Turn* current = nullptr;

// How often a call that waits for its turn looks whether it is cancelled.
constexpr auto kLook = std::chrono::milliseconds(5);

}  // namespace

Scheduler::Turn::Turn(Scheduler* scheduler, int priority)
    : scheduler_(scheduler), priority_(priority), outer_(current) {
  for (const Turn* turn = outer_; turn != nullptr; turn = turn->outer_)
    if (turn->scheduler_ == scheduler) scheduler_ = nullptr;
  if (scheduler_ == nullptr) return;
  scheduler_->Take(*this);
  current = this;
}

Scheduler::Turn::~Turn() {
  if (scheduler_ == nullptr) return;
  current = outer_;
  scheduler_->GiveBack(*this);
}

const Scheduler::Turn* Scheduler::Next() const noexcept {
  const Turn* best = waiting_;
  for (const Turn* turn = waiting_; turn != nullptr; turn = turn->behind_)
    if (turn->priority_ > best->priority_) best = turn;
  return best;
}

void Scheduler::Queue(Turn& turn) noexcept {
  Turn** end = &waiting_;
  while (*end != nullptr) end = &(*end)->behind_;
  *end = &turn;
  turn.behind_ = nullptr;
  highest_.store(Next()->priority_, std::memory_order_relaxed);
}

void Scheduler::Unqueue(Turn& turn) noexcept {
  Turn** at = &waiting_;
  while (*at != &turn) at = &(*at)->behind_;
  *at = turn.behind_;
  const Turn* next = Next();
  highest_.store(next == nullptr ? kNobody : next->priority_, std::memory_order_relaxed);
}

void Scheduler::Take(Turn& turn) {
  std::unique_lock<std::mutex> lock(mutex_);
  Queue(turn);
  const auto mine = [&] { return holder_ == nullptr && Next() == &turn; };
  while (!next_.wait_for(lock, kLook, mine)) {
    lock.unlock();
    try {
      ThrowIfCancelled();
    } catch (...) {
      lock.lock();
      Unqueue(turn);
      next_.notify_all();
      throw;
    }
    lock.lock();
  }
  Unqueue(turn);
  holder_ = &turn;
}

// A turn that was cancelled while it waited again has nothing to give.
void Scheduler::GiveBack(const Turn& turn) noexcept {
  {
    const std::scoped_lock lock(mutex_);
    if (holder_ != &turn) return;
    holder_ = nullptr;
  }
  next_.notify_all();
}

void OfferTurn() {
  Scheduler::Turn* const turn = current;
  if (turn == nullptr) return;
  Scheduler& scheduler = *turn->scheduler_;
  if (scheduler.highest_.load(std::memory_order_relaxed) <= turn->priority_) return;
  scheduler.GiveBack(*turn);
  scheduler.Take(*turn);
}

}  // namespace pyengine
