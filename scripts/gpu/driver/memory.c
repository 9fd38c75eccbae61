/* Memory types, which RADV's null device lacks. What the host writes and what it reads back are types of their own, so that nothing
 * ever writes what is read back: it is zeros, and no loss is NaN by chance. */
#include "driver.h"

#include <string.h>

enum { DEVICE, UPLOAD, READ_BACK, TYPES };
/* More than any training takes; the null device allocates from the host only what is touched. */
static const VkDeviceSize heap_bytes = 64ull << 30;

static void fill(VkPhysicalDeviceMemoryProperties *properties) {
    const VkMemoryPropertyFlags host = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    memset(properties, 0, sizeof *properties);
    properties->memoryTypeCount = TYPES;
    properties->memoryTypes[DEVICE] = (VkMemoryType){VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0};
    properties->memoryTypes[UPLOAD] = (VkMemoryType){host, 1};
    properties->memoryTypes[READ_BACK] = (VkMemoryType){host | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, 1};
    properties->memoryHeapCount = 2;
    properties->memoryHeaps[0] = (VkMemoryHeap){heap_bytes, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT};
    properties->memoryHeaps[1] = (VkMemoryHeap){heap_bytes, 0};
}

static VKAPI_ATTR void VKAPI_CALL graft_GetPhysicalDeviceMemoryProperties(VkPhysicalDevice card,
                                                                          VkPhysicalDeviceMemoryProperties *properties) {
    (void)card;
    fill(properties);
}

static VKAPI_ATTR void VKAPI_CALL graft_GetPhysicalDeviceMemoryProperties2(VkPhysicalDevice card,
                                                                           VkPhysicalDeviceMemoryProperties2 *properties) {
    (void)card;
    fill(&properties->memoryProperties);
    for (VkBaseOutStructure *also = properties->pNext; also; also = also->pNext) {
        if (also->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT) continue;
        VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget = (void *)also;
        for (int heap = 0; heap < 2; heap++) {
            budget->heapBudget[heap] = heap_bytes;
            budget->heapUsage[heap] = 0;
        }
    }
}

static const uint32_t every_type = (1u << TYPES) - 1;

static VKAPI_ATTR void VKAPI_CALL graft_GetBufferMemoryRequirements(VkDevice device, VkBuffer buffer,
                                                                    VkMemoryRequirements *requirements) {
    next.GetBufferMemoryRequirements(device, buffer, requirements);
    requirements->memoryTypeBits = every_type;
}

static VKAPI_ATTR void VKAPI_CALL graft_GetBufferMemoryRequirements2(VkDevice device, const VkBufferMemoryRequirementsInfo2 *info,
                                                                     VkMemoryRequirements2 *requirements) {
    next.GetBufferMemoryRequirements2(device, info, requirements);
    requirements->memoryRequirements.memoryTypeBits = every_type;
}

const struct replacement memory[] = {
    REPLACE(GetPhysicalDeviceMemoryProperties),
    REPLACE(GetPhysicalDeviceMemoryProperties2),
    {"vkGetPhysicalDeviceMemoryProperties2KHR", (PFN_vkVoidFunction)graft_GetPhysicalDeviceMemoryProperties2},
    REPLACE(GetBufferMemoryRequirements),
    REPLACE(GetBufferMemoryRequirements2),
    {0},
};
