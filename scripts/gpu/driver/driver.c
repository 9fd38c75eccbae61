/* A Vulkan driver for counting and compiling without a card. Behind it stands RADV with its null device (RADV_FORCE_FAMILY), which
 * compiles for a card that is not there but alone is not enough for wgpu: it has no memory types, timeline semaphores or fences. This
 * file is the way in: what the loader asks for, and which function stands in place of which. Results of kernels mean nothing here. */
#include "driver.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct next next;
static PFN_vkGetDeviceProcAddr next_device_function;

static void *library(void) {
    static void *handle;
    if (!handle) {
        const char *path = getenv("GRAFT_DRIVER_RADV");
        handle = dlopen(path ? path : "libvulkan_radeon.so", RTLD_NOW | RTLD_LOCAL);
        if (!handle) {
            fprintf(stderr, "RADV cannot be opened: %s\n", dlerror());
            exit(1);
        }
    }
    return handle;
}

/* An exported function of RADV. POSIX's dlsym gives functions as pointers to objects, which C itself does not convert. */
static PFN_vkVoidFunction exported(const char *name) {
    PFN_vkVoidFunction function;
    *(void **)&function = dlsym(library(), name);
    return function;
}

PFN_vkVoidFunction instance_function(VkInstance instance, const char *name) {
    return ((PFN_vkGetInstanceProcAddr)exported("vk_icdGetInstanceProcAddr"))(instance, name);
}

FILE *report_file(const char *name) {
    const char *folder = getenv("GRAFT_DRIVER_REPORT");
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder ? folder : ".", name);
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        exit(1);
    }
    return file;
}

static VkInstance instance;

static void report_card(VkPhysicalDevice card) {
    VkPhysicalDeviceDriverProperties driver = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &driver};
    ((PFN_vkGetPhysicalDeviceProperties2)instance_function(instance, "vkGetPhysicalDeviceProperties2"))(card, &properties);
    FILE *file = report_file("card");
    fprintf(file, "%s\n%s\n", properties.properties.deviceName, driver.driverInfo);
    fclose(file);
}

/* Opens the device with what tells about compiled pipelines (VK_KHR_pipeline_executable_properties). */
static VKAPI_ATTR VkResult VKAPI_CALL graft_CreateDevice(VkPhysicalDevice card, const VkDeviceCreateInfo *asked,
                                                         const VkAllocationCallbacks *allocator, VkDevice *device) {
    uint32_t count = asked->enabledExtensionCount;
    const char **extensions = malloc((count + 1) * sizeof *extensions);
    for (uint32_t k = 0; k < count; k++) extensions[k] = asked->ppEnabledExtensionNames[k];
    extensions[count] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .pNext = (void *)asked->pNext,
        .pipelineExecutableInfo = VK_TRUE,
    };
    VkDeviceCreateInfo info = *asked;
    info.pNext = &feature;
    info.enabledExtensionCount = count + 1;
    info.ppEnabledExtensionNames = extensions;
    VkResult result = ((PFN_vkCreateDevice)instance_function(instance, "vkCreateDevice"))(card, &info, allocator, device);
    free(extensions);
    if (result != VK_SUCCESS) return result;

    next_device_function = (PFN_vkGetDeviceProcAddr)instance_function(instance, "vkGetDeviceProcAddr");
#define RESOLVE(name) next.name = (PFN_vk##name)next_device_function(*device, "vk" #name);
    NEXT_FUNCTIONS(RESOLVE)
#undef RESOLVE
    report_card(card);
    static bool registered;
    if (!registered) atexit(report_counts);
    registered = true;
    return VK_SUCCESS;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL graft_GetDeviceProcAddr(VkDevice device, const char *name);

static const struct replacement opening[] = {REPLACE(CreateDevice), REPLACE(GetDeviceProcAddr), {0}};

static PFN_vkVoidFunction find(const struct replacement *table, const char *name) {
    for (; table->name; table++) {
        if (!strcmp(table->name, name)) return table->function;
    }
    return NULL;
}

static VKAPI_ATTR VkResult VKAPI_CALL nothing_to_do(void) { return VK_SUCCESS; }

/* What stands in place of a function that RADV has: what a file of this driver says; nothing for every other command and for
 * waiting; else the function itself. */
static PFN_vkVoidFunction replaced(const char *name, PFN_vkVoidFunction function) {
    const struct replacement *tables[] = {opening, synchronisation, memory, binding, counting, compiling};
    for (size_t k = 0; k < sizeof tables / sizeof *tables; k++) {
        PFN_vkVoidFunction found = find(tables[k], name);
        if (found) return found;
    }
    static const char *const idle[] = {"vkEndCommandBuffer", "vkResetCommandBuffer", "vkResetCommandPool", "vkFreeCommandBuffers",
                                       "vkDeviceWaitIdle",   "vkQueueWaitIdle"};
    bool is_idle = !strncmp(name, "vkCmd", 5);
    for (size_t k = 0; k < sizeof idle / sizeof *idle; k++) is_idle |= !strcmp(name, idle[k]);
    return is_idle ? (PFN_vkVoidFunction)nothing_to_do : function;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL graft_GetDeviceProcAddr(VkDevice device, const char *name) {
    return replaced(name, next_device_function(device, name));
}

/* What the loader looks for in a driver, by name. */
#define EXPORTED __attribute__((visibility("default"))) VKAPI_ATTR

EXPORTED PFN_vkVoidFunction VKAPI_CALL vk_icdGetInstanceProcAddr(VkInstance of, const char *name) {
    if (of) instance = of;
    return replaced(name, instance_function(of, name));
}

EXPORTED PFN_vkVoidFunction VKAPI_CALL vk_icdGetPhysicalDeviceProcAddr(VkInstance of, const char *name) {
    PFN_vkGetInstanceProcAddr function = (PFN_vkGetInstanceProcAddr)exported("vk_icdGetPhysicalDeviceProcAddr");
    return function ? replaced(name, function(of, name)) : NULL;
}

EXPORTED VkResult VKAPI_CALL vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
    typedef VkResult(VKAPI_PTR * Negotiate)(uint32_t *);
    return ((Negotiate)exported("vk_icdNegotiateLoaderICDInterfaceVersion"))(version);
}
