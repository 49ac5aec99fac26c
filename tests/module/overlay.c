// SPDX-License-Identifier: GPL-2.0
/*
 * Applies an overlay to the device tree while the module is loaded, as Linux has no user interface
 * for that. The overlays for a machine are properties of a node in its device tree; the module
 * parameter names one of them.
 */

#include <linux/module.h>
#include <linux/of.h>
#include <linux/slab.h>

static char *name = "";
module_param(name, charp, 0);
MODULE_PARM_DESC(name, "Property of /ferrodma-overlays with the overlay");

static int changeset;

static int __init overlay_init(void)
{
	struct device_node *node = of_find_node_by_path("/ferrodma-overlays");
	const void *blob;
	void *aligned;
	int len, ret;

	blob = of_get_property(node, name, &len);
	if (!blob) {
		of_node_put(node);
		return -ENOENT;
	}
	aligned = kmemdup(blob, len, GFP_KERNEL);
	of_node_put(node);
	if (!aligned)
		return -ENOMEM;
	ret = of_overlay_fdt_apply(aligned, len, &changeset, NULL);
	kfree(aligned);
	/* An overlay that was applied in part must be removed, too. */
	if (ret && changeset)
		of_overlay_remove(&changeset);
	return ret;
}

static void __exit overlay_exit(void)
{
	of_overlay_remove(&changeset);
}

module_init(overlay_init);
module_exit(overlay_exit);

MODULE_DESCRIPTION("Device-tree overlays for the tests of ferrodma");
MODULE_AUTHOR("The ferrodma founders");
MODULE_LICENSE("GPL");
