/* Timeline semaphores and fences, which RADV's null device lacks. Nothing is ever computed, so all is done as soon as it is
 * submitted: a semaphore has the value that its submission signals, and waiting ends at once. */
#include "driver.h"

#include <pthread.h>
#include <stdlib.h>

/* Timelines stand in one array, by which their handles are told from those of RADV's own (binary) semaphores. */
enum { MOST_TIMELINES = 1 << 16 };
static uint64_t timelines[MOST_TIMELINES];
static unsigned used;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t *timeline(VkSemaphore semaphore) {
    uint64_t *value = (uint64_t *)semaphore;
    return value >= timelines && value < timelines + MOST_TIMELINES ? value : NULL;
}

static const void *chained(const void *chain, VkStructureType type) {
    const VkBaseInStructure *link = chain;
    while (link && link->sType != type) link = link->pNext;
    return link;
}

static VKAPI_ATTR VkResult VKAPI_CALL graft_CreateSemaphore(VkDevice device, const VkSemaphoreCreateInfo *info,
                                                            const VkAllocationCallbacks *allocator, VkSemaphore *semaphore) {
    const VkSemaphoreTypeCreateInfo *type = chained(info->pNext, VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
    if (!type || type->semaphoreType != VK_SEMAPHORE_TYPE_TIMELINE) return next.CreateSemaphore(device, info, allocator, semaphore);
    pthread_mutex_lock(&lock);
    uint64_t *value = used < MOST_TIMELINES ? &timelines[used++] : NULL;
    pthread_mutex_unlock(&lock);
    if (!value) return VK_ERROR_OUT_OF_HOST_MEMORY;
    *value = type->initialValue;
    *semaphore = (VkSemaphore)value;
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL graft_DestroySemaphore(VkDevice device, VkSemaphore semaphore,
                                                         const VkAllocationCallbacks *allocator) {
    if (!timeline(semaphore)) next.DestroySemaphore(device, semaphore, allocator);
}

static VKAPI_ATTR VkResult VKAPI_CALL graft_GetSemaphoreCounterValue(VkDevice device, VkSemaphore semaphore, uint64_t *value) {
    (void)device;
    const uint64_t *now = timeline(semaphore);
    *value = now ? *now : 0;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL graft_WaitSemaphores(VkDevice device, const VkSemaphoreWaitInfo *info, uint64_t timeout) {
    (void)device, (void)info, (void)timeout;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL graft_SignalSemaphore(VkDevice device, const VkSemaphoreSignalInfo *info) {
    (void)device;
    uint64_t *value = timeline(info->semaphore);
    if (value) *value = info->value;
    return VK_SUCCESS;
}

void signal_semaphores(const VkSubmitInfo *submission) {
    const VkTimelineSemaphoreSubmitInfo *values =
        chained(submission->pNext, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
    for (uint32_t k = 0; values && k < submission->signalSemaphoreCount && k < values->signalSemaphoreValueCount; k++) {
        uint64_t *value = timeline(submission->pSignalSemaphores[k]);
        if (value) *value = values->pSignalSemaphoreValues[k];
    }
}

/* A fence holds nothing, being signalled always; one handle serves for all. */
static char fence;

static VKAPI_ATTR VkResult VKAPI_CALL graft_CreateFence(VkDevice device, const VkFenceCreateInfo *info,
                                                        const VkAllocationCallbacks *allocator, VkFence *created) {
    (void)device, (void)info, (void)allocator;
    *created = (VkFence)&fence;
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL graft_DestroyFence(VkDevice device, VkFence destroyed, const VkAllocationCallbacks *allocator) {
    (void)device, (void)destroyed, (void)allocator;
}

static VKAPI_ATTR VkResult VKAPI_CALL graft_WaitForFences(VkDevice device, uint32_t count, const VkFence *fences, VkBool32 all,
                                                          uint64_t timeout) {
    (void)device, (void)count, (void)fences, (void)all, (void)timeout;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL graft_ResetFences(VkDevice device, uint32_t count, const VkFence *fences) {
    (void)device, (void)count, (void)fences;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL graft_GetFenceStatus(VkDevice device, VkFence asked) {
    (void)device, (void)asked;
    return VK_SUCCESS;
}

const struct replacement synchronisation[] = {
    REPLACE(CreateSemaphore),
    REPLACE(DestroySemaphore),
    REPLACE(GetSemaphoreCounterValue),
    {"vkGetSemaphoreCounterValueKHR", (PFN_vkVoidFunction)graft_GetSemaphoreCounterValue},
    REPLACE(WaitSemaphores),
    {"vkWaitSemaphoresKHR", (PFN_vkVoidFunction)graft_WaitSemaphores},
    REPLACE(SignalSemaphore),
    {"vkSignalSemaphoreKHR", (PFN_vkVoidFunction)graft_SignalSemaphore},
    REPLACE(CreateFence),
    REPLACE(DestroyFence),
    REPLACE(WaitForFences),
    REPLACE(ResetFences),
    REPLACE(GetFenceStatus),
    {0},
};
