import{p as t,v as e}from"./c-WCYX3T6G.js";function a(){return e("div",{class:"page-head",children:e("h1",{children:t("common.page.health")})})}export{a as Health};
