// SPDX-License-Identifier: GPL-2.0
/*
 * Changes the device tree while the module is loaded, as Linux has no user interface for that:
 * applies an overlay, one of those that a node of the machine's tree holds, or gives a property of
 * a node another value.
 */

#include <linux/module.h>
#include <linux/of.h>
#include <linux/slab.h>

static char *name = "";
module_param(name, charp, 0);
MODULE_PARM_DESC(name, "Property of /ferrodma-overlays with the overlay");

static char *node = "";
module_param(node, charp, 0);
MODULE_PARM_DESC(node, "Path of the node to change, if no overlay is applied");

static char *property = "";
module_param(property, charp, 0);
MODULE_PARM_DESC(property, "Its property");

static uint value;
module_param(value, uint, 0);
MODULE_PARM_DESC(value, "The new value");

static int overlay;
static struct of_changeset changes;

static int apply_overlay(void)
{
	struct device_node *holder = of_find_node_by_path("/ferrodma-overlays");
	const void *blob;
	void *aligned;
	int len, ret;

	blob = of_get_property(holder, name, &len);
	if (!blob) {
		of_node_put(holder);
		return -ENOENT;
	}
	aligned = kmemdup(blob, len, GFP_KERNEL);
	of_node_put(holder);
	if (!aligned)
		return -ENOMEM;
	ret = of_overlay_fdt_apply(aligned, len, &overlay, NULL);
	kfree(aligned);
	/* An overlay that was applied in part must be removed, too. */
	if (ret && overlay)
		of_overlay_remove(&overlay);
	return ret;
}

static int change_property(void)
{
	struct device_node *np = of_find_node_by_path(node);
	struct property *old;
	int ret = 0;

	if (!np)
		return -ENOENT;
	of_changeset_init(&changes);
	old = of_find_property(np, property, NULL);
	if (old)
		ret = of_changeset_remove_property(&changes, np, old);
	if (!ret)
		ret = of_changeset_add_prop_u32(&changes, np, property, value);
	if (!ret)
		ret = of_changeset_apply(&changes);
	if (ret)
		of_changeset_destroy(&changes);
	of_node_put(np);
	return ret;
}

static int __init overlay_init(void)
{
	return *node ? change_property() : apply_overlay();
}

static void __exit overlay_exit(void)
{
	if (*node) {
		of_changeset_revert(&changes);
		of_changeset_destroy(&changes);
	} else {
		of_overlay_remove(&overlay);
	}
}

module_init(overlay_init);
module_exit(overlay_exit);

MODULE_DESCRIPTION("Changes of the device tree for the tests of ferrodma");
MODULE_AUTHOR("The ferrodma founders");
MODULE_LICENSE("GPL");
